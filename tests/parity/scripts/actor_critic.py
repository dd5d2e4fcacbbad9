"""Actor and critic with shared layers on a hand-written pole on a cart: smooth_l1_loss for values, an entropy bonus."""

import math
from collections import namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical

SavedAction = namedtuple("SavedAction", ["log_prob", "value", "entropy"])


class CartPole:
    """The classic cart and pole, integrated by Euler's method; done when the pole leans 12 degrees or the cart leaves."""

    def __init__(self, generator):
        self.generator = generator

    def reset(self):
        self.state = (torch.rand(4, dtype=torch.float64, generator=self.generator) * 0.1 - 0.05).tolist()
        return list(self.state)

    def step(self, action):
        x, speed, angle, turning = self.state
        force = 10.0 if action == 1 else -10.0
        push = (force + 0.05 * turning**2 * math.sin(angle)) / 1.1
        swing = (9.8 * math.sin(angle) - math.cos(angle) * push) / (0.5 * (4 / 3 - 0.1 * math.cos(angle) ** 2 / 1.1))
        pull = push - 0.05 * swing * math.cos(angle) / 1.1
        self.state = [x + 0.02 * speed, speed + 0.02 * pull, angle + 0.02 * turning, turning + 0.02 * swing]
        done = abs(self.state[0]) > 2.4 or abs(self.state[2]) > math.radians(12)
        return list(self.state), 1.0, done


class ActorCritic(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 32)
        self.action_head = nn.Linear(32, 2)
        self.value_head = nn.Linear(32, 1)
        for head in (self.action_head, self.value_head):
            nn.init.orthogonal_(head.weight, gain=0.5)

    def forward(self, x):
        x = F.relu(self.affine1(x))
        return F.softmax(self.action_head(x), dim=-1), self.value_head(x)


def play(model, env, limit=50):
    state, saved, rewards = env.reset(), [], []
    for _ in range(limit):
        probs, value = model(torch.tensor(state, dtype=torch.float32))
        policy = Categorical(probs)
        action = policy.sample()
        saved.append(SavedAction(policy.log_prob(action), value, policy.entropy()))
        state, reward, done = env.step(action.item())
        rewards.append(reward)
        if done:
            break
    return saved, rewards


def learn(optimizer, saved, rewards, gamma=0.98):
    R, returns = 0.0, []
    for r in reversed(rewards):
        R = r + gamma * R
        returns.insert(0, R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + 1e-6)
    policy_losses, value_losses = [], []
    for (log_prob, value, _), R in zip(saved, returns):
        advantage = R - value.item()
        policy_losses.append(-log_prob * advantage)
        value_losses.append(F.smooth_l1_loss(value, torch.tensor([R])))
    entropy = torch.stack([s.entropy for s in saved]).mean()
    optimizer.zero_grad()
    actor, critic = torch.stack(policy_losses).sum(), torch.stack(value_losses).sum()
    (actor + critic - 0.01 * entropy).backward()
    optimizer.step()
    return actor.item(), critic.item(), entropy.item()


torch.manual_seed(1)
env, model = CartPole(torch.Generator().manual_seed(1)), ActorCritic()
print(model)
optimizer = optim.Adam(model.parameters(), lr=0.02)
for episode in range(8):
    saved, rewards = play(model, env)
    actor, critic, entropy = learn(optimizer, saved, rewards)
    print(f"{episode}: length {len(rewards)} actor {actor:.3f} critic {critic:.3f} entropy {entropy:.4f}")
with torch.no_grad():
    probs, value = model(torch.zeros(1, 4))
print(Categorical(probs), [round(p, 3) for p in probs[0].tolist()], round(value.item(), 3))

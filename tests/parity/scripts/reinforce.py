"""REINFORCE on a pole on a cart, the environment written out: Categorical, discounted returns, normalised."""

import math
from collections import deque
from itertools import count

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.distributions import Categorical


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


class Policy(nn.Module):
    def __init__(self):
        super().__init__()
        self.affine1 = nn.Linear(4, 16)
        self.dropout = nn.Dropout(p=0.3)
        self.affine2 = nn.Linear(16, 2)
        self.saved_log_probs, self.rewards = [], []

    def forward(self, x):
        x = F.relu(self.dropout(self.affine1(x)))
        return F.softmax(self.affine2(x), dim=1)


def select_action(policy, state):
    m = Categorical(policy(torch.tensor(state).float().unsqueeze(0)))
    action = m.sample()
    policy.saved_log_probs.append(m.log_prob(action))
    return action.item()


def finish_episode(policy, optimizer, gamma=0.99, eps=1e-8):
    R, policy_loss, returns = 0, [], deque()
    for r in policy.rewards[::-1]:
        R = r + gamma * R
        returns.appendleft(R)
    returns = torch.tensor(returns)
    returns = (returns - returns.mean()) / (returns.std() + eps)
    for log_prob, R in zip(policy.saved_log_probs, returns):
        policy_loss.append(-log_prob * R)
    optimizer.zero_grad()
    policy_loss = torch.cat(policy_loss).sum()
    policy_loss.backward()
    optimizer.step()
    del policy.rewards[:]
    del policy.saved_log_probs[:]
    return policy_loss.item()


torch.manual_seed(543)
env, policy = CartPole(torch.Generator().manual_seed(543)), Policy()
print(policy)
optimizer = optim.Adam(policy.parameters(), lr=1e-2)
running = 10.0
for episode in range(10):
    state, total = env.reset(), 0.0
    for t in count(1):
        state, reward, done = env.step(select_action(policy, state))
        policy.rewards.append(reward)
        total += reward
        if done or t == 60:
            break
    running = 0.05 * total + 0.95 * running
    loss = finish_episode(policy, optimizer)
    print(f"episode {episode}: length {total:.0f} average {running:.2f} loss {loss:.3f}")

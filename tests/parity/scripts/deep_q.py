"""Deep Q-learning on a hand-written pole on a cart: replay memory, epsilon-greedy, a target network updated softly."""

import math
import random
from collections import deque, namedtuple

import torch
import torch.nn as nn
import torch.optim as optim

Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


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


class ReplayMemory:
    def __init__(self, capacity):
        self.memory = deque([], maxlen=capacity)

    def push(self, *args):
        self.memory.append(Transition(*args))

    def sample(self, batch_size):
        return random.sample(self.memory, batch_size)

    def __len__(self):
        return len(self.memory)


def network():
    return nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 24), nn.ReLU(), nn.Linear(24, 2))


random.seed(7)
torch.manual_seed(7)
env, memory = CartPole(torch.Generator().manual_seed(7)), ReplayMemory(500)
policy_net, target_net = network(), network()
target_net.load_state_dict(policy_net.state_dict())
optimizer = optim.AdamW(policy_net.parameters(), lr=3e-3, amsgrad=True)
criterion = nn.SmoothL1Loss()
BATCH, GAMMA, TAU, steps = 16, 0.95, 0.05, 0


def select_action(state):
    epsilon = 0.05 + 0.85 * math.exp(-steps / 60)
    if random.random() > epsilon:
        with torch.no_grad():
            return policy_net(state).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(2)]], dtype=torch.long)


def optimize_model():
    if len(memory) < BATCH:
        return None
    batch = Transition(*zip(*memory.sample(BATCH)))
    non_final_mask = torch.tensor([s is not None for s in batch.next_state], dtype=torch.bool)
    non_final = torch.cat([s for s in batch.next_state if s is not None])
    values = policy_net(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
    next_values = torch.zeros(BATCH)
    with torch.no_grad():
        next_values[non_final_mask] = target_net(non_final).max(1).values
    expected = next_values * GAMMA + torch.cat(batch.reward)
    loss = criterion(values, expected.unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy_net.parameters(), 100)
    optimizer.step()
    return loss.item()


for episode in range(8):
    state = torch.tensor(env.reset(), dtype=torch.float32).unsqueeze(0)
    losses, length, done = [], 0, False
    while not done and length < 25:
        action = select_action(state)
        steps += 1
        length += 1
        observation, reward, done = env.step(action.item())
        following = None if done else torch.tensor(observation, dtype=torch.float32).unsqueeze(0)
        memory.push(state, action, following, torch.tensor([reward]))
        state = following
        losses.append(optimize_model())
        target, policy = target_net.state_dict(), policy_net.state_dict()
        for key in policy:
            target[key] = policy[key] * TAU + target[key] * (1 - TAU)
        target_net.load_state_dict(target)
    known = [loss for loss in losses if loss is not None]
    print(f"episode {episode}: length {length} memory {len(memory)} loss {sum(known) / max(len(known), 1):.4f}")
with torch.no_grad():
    print([round(v, 3) for v in target_net(torch.zeros(1, 4)).flatten().tolist()])

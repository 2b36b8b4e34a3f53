"""A recurrent policy of sb3-contrib, by PPO: a pole balanced on a cart whose velocities it does not see."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from rnnfast.examples.torch_runs import COMPARED, Run
from rnnfast.problem import Array

SEEN = [0, 2]
"""Of CartPole's observation: where the cart is, and how the pole leans."""
ENVIRONMENTS, ROLLOUT, BATCH, EPOCHS = 8, 64, 256, 10
HIDDEN, LEARNING_RATE = 64, 1e-3
UPDATES = 16
"""Rollouts that are learned from, of 512 steps of all environments together."""
EPISODES = 50
"""The last of them are averaged."""
RESULT = f"mean return of the last {EPISODES} episodes"


class WithoutVelocities(gymnasium.ObservationWrapper[Array, Any, Array]):
    """CartPole as seen by one who must remember how it moved."""

    def __init__(self, env: gymnasium.Env[Array, Any]) -> None:
        super().__init__(env)
        whole: Any = env.observation_space
        self.observation_space = gymnasium.spaces.Box(whole.low[SEEN], whole.high[SEEN])

    def observation(self, observation: Array) -> Array:
        """Return the positions (2,)."""
        return observation[SEEN]


class Losses(BaseCallback):
    """Notes the loss at the end of each update."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[float] = []

    def _on_rollout_start(self) -> None:
        if "train/loss" in self.logger.name_to_value:  # not before the first
            self.found.append(self.logger.name_to_value["train/loss"])

    def _on_step(self) -> bool:
        return True


def train(seed: int, changed: Callable[[Any], object], *, updates: int = UPDATES) -> Run:
    """Learn to balance; the result is the mean return, in steps survived, of the last episodes."""
    environments = VecNormalize(make_vec_env(_cart, ENVIRONMENTS, seed=seed))
    ppo = RecurrentPPO(
        "MlpLstmPolicy",
        environments,
        learning_rate=LEARNING_RATE,
        n_steps=ROLLOUT,
        batch_size=BATCH,
        n_epochs=EPOCHS,
        stats_window_size=EPISODES,
        policy_kwargs={"lstm_hidden_size": HIDDEN},
        seed=seed,
        device="cpu",
    )
    changed(ppo.policy)
    losses = Losses()
    start = time.perf_counter()
    ppo.learn(updates * ENVIRONMENTS * ROLLOUT, callback=losses)
    seconds = time.perf_counter() - start
    assert ppo.ep_info_buffer is not None
    returns = [float(np.asarray(episode["r"])) for episode in ppo.ep_info_buffer]
    return Run(tuple(losses.found[:COMPARED]), statistics.mean(returns), seconds)


def _cart() -> gymnasium.Env[Array, Any]:
    return WithoutVelocities(gymnasium.make("CartPole-v1"))

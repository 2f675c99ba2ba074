"""The paper's settings, against the table of its authors' configurations."""

import pytest

from training.recipes.paper import PAPER_RECIPES

# family: tasks, meta-batch, prior/posterior/extra, gradient steps, context, reward scale, KL weight
TABLE = {
    "point-robot": ((80, 20), 16, (200, 0, 200), 1000, 64, 100.0, 0.1),
    "sparse-point-robot": ((80, 20), 16, (100, 900, 0), 1000, 1024, 100.0, 1.0),
    "half-cheetah-dir": ((2, 2), 4, (1000, 0, 1000), 2000, 256, 5.0, 0.1),
    "half-cheetah-vel": ((100, 30), 16, (400, 0, 600), 2000, 100, 5.0, 0.1),
    "ant-dir": ((2, 2), 4, (400, 0, 600), 4000, 256, 5.0, 0.1),
    "ant-goal": ((150, 30), 10, (400, 0, 600), 4000, 256, 5.0, 1.0),
    "humanoid-dir": ((100, 30), 16, (400, 0, 600), 4000, 256, 5.0, 0.1),
    "walker-params": ((40, 10), 10, (400, 0, 600), 4000, 100, 5.0, 0.1),
    "hopper-params": ((40, 10), 10, (400, 0, 600), 4000, 100, 5.0, 0.1),
}


@pytest.mark.parametrize("family", TABLE)
def test_settings_are_those_of_the_table(family: str) -> None:
    recipe = PAPER_RECIPES[f"paper-{family}"]()
    config = recipe.config

    assert TABLE[family] == (
        (recipe.num_train_tasks, recipe.num_test_tasks),
        config.meta_batch_size,
        (config.num_prior_steps, config.num_posterior_steps, config.num_extra_steps),
        config.num_gradient_steps,
        config.context_batch_size,
        config.reward_scale,
        config.kl_weight,
    )
    assert config.form == "reference" and config.worlds_per_task == 1
    assert config.hidden_sizes == (300, 300, 300)
    assert config.encoder_hidden_sizes == (200, 200, 200)
    assert (config.learning_rate, config.target_update_rate, config.batch_size) == (
        3e-4,
        0.005,
        256,
    )
    assert config.discount == (0.9 if family == "sparse-point-robot" else 0.99)
    assert config.num_initial_steps == (200 if "point" in family else 2000)


def test_every_benchmark_of_the_paper_has_its_recipe() -> None:
    assert {f"paper-{family}" for family in TABLE} == set(PAPER_RECIPES)

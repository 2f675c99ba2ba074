"""What is shown while a run goes on."""

import io

from rich.console import Console

from training.runs.progress import Progress

METRICS = {
    "steps_per_second": 1234.0,
    "kl": 3.21,
    "episode_0/return": -17.0,
    "adapted/return": -5.5,
    "adapted/success": 0.92,
}


def shown(*, is_terminal: bool, is_quiet: bool = False) -> str:
    file = io.StringIO()
    console = Console(file=file, force_terminal=is_terminal, width=200)
    progress = Progress(console, title="pearl seed 0", is_quiet=is_quiet)
    with progress.shown(0, 10):
        progress.advance(0, {"steps_per_second": 1000.0, "kl": 3.0})
        progress.advance(1, METRICS)
    return file.getvalue()


def test_a_pipe_gets_one_line_per_evaluation() -> None:
    assert shown(is_terminal=False) == (
        "pearl seed 0  iteration 2  1,234 steps/s  KL 3.21  return -17.00 → -5.50  success 92%\n"
    )


def test_a_terminal_gets_a_bar_with_rate_returns_and_time_left() -> None:
    text = shown(is_terminal=True)

    for piece in ("2/10", "1,234 steps/s", "KL 3.21", "-17.00 → -5.50", "0:00:0"):
        assert piece in text


def test_quiet_is_silent() -> None:
    assert "steps" not in shown(is_terminal=True, is_quiet=True)
    assert shown(is_terminal=False, is_quiet=True) == ""

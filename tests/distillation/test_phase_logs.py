"""Tests of what reporters of the stock Trainer are given when a run has several phases."""

from pathlib import Path

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator


def _runs(folder):
    """TensorBoard's runs below a folder: the phase's name -> {tag: {step: value}}, `train/` taken off."""
    runs = {}
    for file in Path(folder).rglob("events.out.tfevents.*"):
        events = EventAccumulator(str(file.parent))
        events.Reload()
        runs[file.parent.name] = {
            tag.removeprefix("train/"): {event.step: event.value for event in events.Scalars(tag)}
            for tag in events.Tags()["scalars"]
        }
    return runs


def test_tensorboard_gets_every_term_of_every_phase(build_trainer, tmp_path, monkeypatch):
    """Prevents curves without the terms, and a second phase whose steps overwrite those of the first."""
    monkeypatch.delenv("TENSORBOARD_LOGGING_DIR", raising=False)
    trainer = build_trainer({"report_to": "tensorboard"})
    trainer.train()
    runs = _runs(tmp_path / "run" / "runs")
    assert set(runs) == {str(phase) for phase in trainer.objectives}
    for phase, objective in trainer.objectives.items():
        run = runs[str(phase)]
        assert {"loss", "learning_rate", *objective.weights} <= set(run)
        assert all(list(run[name]) == [1, 2] for name in ("loss", *objective.weights))
    last = {entry["step"]: entry for entry in trainer.state.log_history if "loss" in entry}
    for name in trainer.phase_objective.weights:
        assert abs(runs[str(trainer.phase)][name][2] - last[2][name]) < 1e-6


def test_a_single_phase_writes_where_the_stock_trainer_does(build_trainer, tmp_path, monkeypatch):
    """Prevents a folder of one's own choice from being changed without need."""
    monkeypatch.setenv("TENSORBOARD_LOGGING_DIR", str(tmp_path / "board"))
    build_trainer({"report_to": "tensorboard", "phases": ["joint"]}).train()
    assert set(_runs(tmp_path / "board")) == {"board"}

"""`hf-tinybert benchmark`: measurements on this machine."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hf_tinybert.cli import options
from hf_tinybert.cli.loading import figures_alone, loading
from hf_tinybert.cli.outcome import show_outcome
from hf_tinybert.cli.recipe_verb import stands_on_command_line
from hf_tinybert.cli.refusals import EXPECTED_ERRORS, refusal, run_display

benchmark_app = typer.Typer(no_args_is_help=True, help="Measure on this machine.")


@benchmark_app.callback()
def _benchmarks() -> None:
    """Measure on this machine."""


@benchmark_app.command("train")
def benchmark_train(
    dataset: Annotated[str, typer.Option(help="Hub name, folder or file; its training rows are read.")],
    text_column: Annotated[list[str] | None, typer.Option(help="Of data without labels; repeat it for pairs.")] = None,
    tokenizer: Annotated[str | None, typer.Option(help="Hub name or folder instead of BERT's uncased.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Hub name or folder; else random, as BERT-base.")] = None,
    student: Annotated[str | None, typer.Option(help="Hub name or folder; else random, 4 x 312.")] = None,
    phase: Annotated[str, typer.Option(help="joint, intermediate-layer or prediction-layer.")] = "joint",
    arms: Annotated[list[str] | None, typer.Option("--arm", help="Repeat it; all of them if none.")] = None,
    max_length: Annotated[int, typer.Option(help="Tokens per row; longer rows are cut.")] = 128,
    batch_size: Annotated[int, typer.Option(help="Rows per step.")] = 32,
    steps: Annotated[int, typer.Option(help="Steps of the engine in a repeat.")] = 40,
    textbook_steps: Annotated[int, typer.Option(help="Steps of the textbook in a repeat; divides --steps.")] = 4,
    repeats: Annotated[int, typer.Option(help="Counted repeats; one more comes first.")] = 3,
    dropout: Annotated[float, typer.Option(help="Of the random student.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of rows, weights and order.")] = 0,
    results: Annotated[Path | None, typer.Option(help="JSON file for the figures; finds them again.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Time distillation steps: this package beside the loop that people write by hand, in turns.

    Interrupted, the same command with the same --results goes on where it stopped.

    Example: hf-tinybert benchmark train --dataset reviews.csv --max-length 128 --results train-speed.json
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.benchmark import Arm, TrainingBenchmark, Workload, training_table
                from hf_tinybert.distillation.terms import Phase
            workload = Workload(
                dataset=dataset,
                text_columns=tuple(text_column) if text_column else None,
                tokenizer=tokenizer,
                teacher=teacher,
                student=student,
                max_length=max_length,
                batch_size=batch_size,
                steps=steps,
                phase=options.parse_choice(Phase, phase, "--phase"),
                dropout=dropout,
                seed=seed,
            )
            with run_display(console) as display:
                measurement = TrainingBenchmark(
                    workload,
                    [options.parse_choice(Arm, arm, "--arm") for arm in arms or Arm],
                    textbook_steps=textbook_steps,
                    repeats=repeats,
                    file=results,
                    display=display,
                )
                run = measurement.run()
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    show_outcome(run, training_table, None, console, as_json=as_json)


@benchmark_app.command("augment")
def benchmark_augment(
    context: typer.Context,
    dataset: Annotated[str | None, typer.Option(help="Hub name, folder or file; else made-up words.")] = None,
    text_column: Annotated[str | None, typer.Option(help="Of data without labels.")] = None,
    masked_lm: Annotated[str | None, typer.Option(help="Hub name or folder; else random, as BERT-base.")] = None,
    source: Annotated[list[str] | None, typer.Option(help="vectors or masked-lm; both if none.")] = None,
    rows: Annotated[int, typer.Option(help="Rows by vectors in a repeat; a multiple of 16.")] = 8192,
    masked_rows: Annotated[int, typer.Option(help="Rows by the masked LM in a repeat; a multiple of 2.")] = 16,
    words_per_row: Annotated[int, typer.Option(help="Longer rows are cut.")] = 20,
    vectors: Annotated[int, typer.Option(help="Words that have a vector.")] = 100_000,
    width: Annotated[int, typer.Option(help="Of random vectors.")] = 50,
    repeats: Annotated[int, typer.Option(help="Counted repeats; one more comes first.")] = 3,
    seed: Annotated[int, typer.Option(help="Of rows and random weights.")] = 0,
    results: Annotated[Path | None, typer.Option(help="JSON file for the figures; finds them again.")] = None,
    as_json: options.AsJson = False,
) -> None:
    """Time augmentation: this package beside the loop that people write by hand, in turns.

    Example: hf-tinybert benchmark augment --source vectors
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.benchmark import (
                    AugmentationBenchmark,
                    AugmentationWorkload,
                    WordSource,
                    augmentation_table,
                )
                from hf_tinybert.progress import ProgressDisplay
            workload = AugmentationWorkload(
                dataset=dataset,
                text_column=text_column,
                masked_lm=masked_lm,
                words_per_row=words_per_row,
                vectors=vectors,
                width=width,
                seed=seed,
            )
            counts = {WordSource.VECTORS: rows, WordSource.MASKED_LM: masked_rows}
            asked = [options.parse_choice(WordSource, name, "--source") for name in source or WordSource]
            for of, option in ((WordSource.VECTORS, "rows"), (WordSource.MASKED_LM, "masked_rows")):
                if of not in asked and stands_on_command_line(context, option):
                    raise ValueError(
                        f"expected the source `{of}` with `--{option.replace('_', '-')}`, got {', '.join(asked)} "
                        "alone; because no row is augmented by the other; leave it out"
                    )
            measurement = AugmentationBenchmark(
                workload,
                {one: counts[one] for one in asked},
                textbook_rows={WordSource.VECTORS: 16, WordSource.MASKED_LM: 2},
                repeats=repeats,
                file=results,
                display=ProgressDisplay(console),
            )
            run = measurement.run()
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    show_outcome(run, augmentation_table, None, console, as_json=as_json)


@benchmark_app.command("infer")
def benchmark_infer(
    student: Annotated[str | None, typer.Argument(help="Folder or Hub name; else random weights, 4 x 312.")] = None,
    teacher: Annotated[str | None, typer.Option(help="Folder or Hub name; else random weights, as BERT-base.")] = None,
    own_teacher: Annotated[
        bool, typer.Option(help="Without --teacher, also the one that the student's folder tells of, if it is here.")
    ] = True,
    task: options.HeadTask = None,
    runtime: Annotated[
        list[str] | None,
        typer.Option(
            help="Of the student: fp32, bf16, compiled, onnx, onnx-int8 or openvino; repeat it; all if none."
        ),
    ] = None,
    teacher_runtime: Annotated[
        list[str] | None, typer.Option(help="Of the teacher, fp32 among them; repeat it; all if none.")
    ] = None,
    batch_size: Annotated[list[int] | None, typer.Option(help="Texts at once; repeat it; 1 and 32 if none.")] = None,
    length: Annotated[list[int] | None, typer.Option(help="Tokens; repeat it; 16, 64 and 128 if none.")] = None,
    rounds: Annotated[int, typer.Option(help="Turns of every runtime at every size.")] = 5,
    turn_seconds: Annotated[float, typer.Option(help="Least seconds of a turn.")] = 0.5,
    threads: Annotated[int, typer.Option(help="That compute, in every runtime.")] = 1,
    seed: Annotated[int, typer.Option(help="Of token ids and random weights.")] = 0,
    output: Annotated[
        Path | None, typer.Option(help="Folder for infer_speed.json, which finds figures again, and a picture.")
    ] = None,
    as_json: options.AsJson = False,
) -> None:
    """Time a student and its teacher on the processor, in PyTorch, ONNX Runtime and OpenVINO, in turns.

    Every runtime has a process of its own. Interrupted, the same command with the same --output goes on.

    Example: hf-tinybert benchmark infer student --teacher teacher --teacher-runtime fp32 --output speed
    """
    console = Console(stderr=as_json)
    try:
        with figures_alone(as_json):
            with loading():
                from hf_tinybert.progress import ProgressDisplay
                from hf_tinybert.runtimes import InferenceSettings, Runtime, inference_tables, measure_inference
                from hf_tinybert.workflow.teacher_search import recorded_teacher, teachers_at_hand
            found = None
            if own_teacher and student is not None and teacher is None:
                found = next(teachers_at_hand(recorded_teacher(student, task), task), None)
            settings = InferenceSettings(
                student=student,
                teacher=teacher,
                own_teacher=None if found is None else str(found),
                task=task,
                runtimes=tuple(options.parse_choice(Runtime, one, "--runtime") for one in runtime or Runtime),
                teacher_runtimes=tuple(
                    options.parse_choice(Runtime, one, "--teacher-runtime") for one in teacher_runtime or Runtime
                ),
                batch_sizes=tuple(batch_size or (1, 32)),
                lengths=tuple(length or (16, 64, 128)),
                rounds=rounds,
                turn_seconds=turn_seconds,
                threads=threads,
                seed=seed,
            )
            run = measure_inference(settings, output, ProgressDisplay(console))
    except EXPECTED_ERRORS as error:
        raise refusal(error) from error
    show_outcome(run, inference_tables, None, console, as_json=as_json)


__all__ = ["benchmark_app"]

"""`belka benchmark`: our rate beside a plain reference in the same run."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from belka.errors import InputError
from belka.places.uri import local_place
from pipeline.cli.consoles import open_console
from pipeline.cli.options import PUSHED_MODELS, PushedModelsOption, SetOption
from pipeline.cli.places import PATH

if TYPE_CHECKING:
    from benchmarks.measurement import Comparison

app = typer.Typer(help="Measure our rate beside a plain reference in the same run.", no_args_is_help=True)


def _made(folder: Path | None) -> Path | None:
    """Make a folder that is named and not there."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    return folder


WorkDirOption = Annotated[
    Path | None,
    typer.Option(
        "--work-dir",
        parser=local_place,
        metavar=PATH,
        callback=_made,
        help="Folder for temporary files; it is made where it is not there.",
    ),
]
JsonOption = Annotated[
    Path | None, typer.Option("--json", parser=local_place, metavar=PATH, help="Also write the figures to this file.")
]


@app.command()
def vocabulary(
    smiles: Annotated[int, typer.Option("--smiles", min=1, help="SMILES to scan.")] = 400_000, out: JsonOption = None
) -> None:
    """Tokens of a vocabulary: scan of bytes beside atomInSmiles."""
    try:
        from benchmarks.vocabulary import compare_vocabulary
    except ModuleNotFoundError as error:
        raise InputError(
            "The reference of this benchmark is not installed.",
            received=str(error),
            expected="the environment of development, which has atomInSmiles",
            action="Run `make setup` in a clone, and this command there.",
        ) from error

    _show(compare_vocabulary(smiles), out)


@app.command()
def merge(
    raw_dir: Annotated[
        Path,
        typer.Option("--raw-dir", parser=local_place, metavar=PATH, help="Folder with train.parquet and test.parquet."),
    ],
    memory_limit_gb: Annotated[float, typer.Option("--memory-limit-gb", min=0.5, help="Memory of each way, GB.")] = 2.0,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Measurements of each way; the fastest counts.")] = 3,
    work_dir: WorkDirOption = None,
    out: JsonOption = None,
) -> None:
    """Raw rows to molecules: ParquetMerge beside DuckDB's bare aggregation."""
    from belka.machine import worker_count
    from benchmarks.merge import compare_merge

    compared = compare_merge(
        raw_dir, memory_limit_gb=memory_limit_gb, n_workers=worker_count(0), n_rounds=rounds, work_dir=work_dir
    )
    _show(compared, out)


@app.command()
def featurize(
    molecules: Annotated[int, typer.Option("--molecules", min=10_000, help="Fingerprints to compose.")] = 10_000_000,
    raw_dir: Annotated[
        Path | None,
        typer.Option(
            "--raw-dir",
            parser=local_place,
            metavar=PATH,
            help="Raw files of a library; without, a demonstration library.",
        ),
    ] = None,
    out: JsonOption = None,
) -> None:
    """Fingerprints: composed from building blocks beside RDKit's parse and ECFP."""
    from belka.machine import worker_count
    from benchmarks.featurize import compare_featurize

    _show(compare_featurize(molecules, raw_dir=raw_dir, n_workers=worker_count(0)), out)


@app.command()
def train(
    batches: Annotated[int, typer.Option("--batches", min=1, help="Batches for each of our ways.")] = 2,
    batch_size: Annotated[int, typer.Option("--batch-size", min=8, help="Molecules in a batch.")] = 256,
    out: JsonOption = None,
) -> None:
    """Training steps: ours, one measure after the other, beside Keras's layers padded to 128 without XLA."""
    from benchmarks.train import compare_train

    _show(compare_train(batches, batch_size), out)


@app.command()
def infer(
    molecules: Annotated[int, typer.Option("--molecules", min=512, help="Molecules to predict.")] = 4096,
    batch_size: Annotated[int, typer.Option("--batch-size", min=512, help="Molecules handed over at once.")] = 1024,
    out: JsonOption = None,
) -> None:
    """Predictions: the exported model's way beside Keras's layers padded to 128 without XLA."""
    from benchmarks.infer import compare_infer

    _show(compare_infer(molecules, batch_size), out)


@app.command()
def serve(
    models: PushedModelsOption = PUSHED_MODELS,
    python: Annotated[
        Path,
        typer.Option(
            "--python",
            parser=local_place,
            metavar=PATH,
            help="Interpreter of an environment with requirements-kserve.lock.",
        ),
    ] = Path(".envs/kserve/bin/python"),
    out: JsonOption = None,
) -> None:
    """Serving: KServe's server in front of the model in production beside `belka predict` in process."""
    from benchmarks.serve import measure_serving, serve_with, serving_table

    rates = measure_serving(models, serve_with(python))
    open_console().print(serving_table(rates, "Serving, numbers equal to those of belka predict"))
    _write([{**asdict(rate), "rate": rate.rate} for rate in rates], out)


@app.command()
def pipeline(
    molecules: Annotated[int, typer.Option("--molecules", min=1000, help="Training molecules.")] = 1_000_000,
    raw_dir: Annotated[
        Path | None,
        typer.Option(
            "--raw-dir",
            parser=local_place,
            metavar=PATH,
            help="Raw files; without, a library of that size is generated.",
        ),
    ] = None,
    overrides: SetOption = None,
    work_dir: WorkDirOption = None,
    out: JsonOption = None,
) -> None:
    """Raw files to submission.csv: time and peak memory of each step against its bound."""
    from benchmarks.pipeline import print_costs, run_pipeline

    costs = run_pipeline(molecules, raw_dir=raw_dir, overrides=overrides or (), work_dir=work_dir)
    print_costs(costs, open_console())
    _write([asdict(cost) for cost in costs], out)
    if not all(cost.is_within for cost in costs):
        raise typer.Exit(1)


@app.command()
def predict(
    model: Annotated[
        Path,
        typer.Option(
            "--model", parser=local_place, metavar=PATH, help="Folder of a model, as `belka predict` takes it."
        ),
    ],
    molecules: Annotated[
        list[int], typer.Option("--molecules", min=1000, help="Molecules of a file; once for each, ascending.")
    ] = [100_000, 300_000, 1_000_000],  # noqa: B006 - Typer reads it and nobody changes it
    work_dir: WorkDirOption = None,
    out: JsonOption = None,
) -> None:
    """`belka predict` on growing files: rate and memory; a kill half-way, and the same command again."""
    from benchmarks.predict import measure_predict, print_load

    load = measure_predict(model, sorted(molecules), work_dir=work_dir)
    print_load(load, open_console())
    _write([asdict(cost) for cost in load.costs], out)
    if not (load.is_flat and load.goes_on and load.equal):
        raise typer.Exit(1)


@app.command()
def recipes(
    raw_dir: Annotated[
        Path,
        typer.Option("--raw-dir", parser=local_place, metavar=PATH, help="Folder with train.parquet and test.parquet."),
    ],
    work_dir: Annotated[
        Path,
        typer.Option(
            "--work-dir", parser=local_place, metavar=PATH, callback=_made, help="Folder for recipes.jsonl and data."
        ),
    ],
    config: Annotated[
        Path, typer.Option("--config", parser=local_place, metavar=PATH, help="Members and their settings.")
    ] = Path("configs/leash_sample.yaml"),
    draws: Annotated[str, typer.Option("--draws", help="1-10 are for choosing, 11-20 to report once.")] = "1-10",
    transformer: Annotated[
        bool, typer.Option("--transformer", help="Train it on each draw, too; longer than everything else together.")
    ] = False,
    singles: Annotated[bool, typer.Option("--singles", help="All single models, not the best alone.")] = False,
    molecules: Annotated[
        int | None, typer.Option("--molecules", min=100, help="Training molecules of a draw; all, unless given.")
    ] = None,
    overrides: SetOption = None,
    table: Annotated[bool, typer.Option("--table", help="Only print what was measured before.")] = False,
) -> None:
    """Real labels: members and their blend beside single models, on draws like the competition's test."""
    from benchmarks.recipe_table import blend_lines, table_lines
    from benchmarks.recipes import measure_draws
    from pipeline.config.files import load_config
    from pipeline.tuning.draws import parse_draws

    numbers, results = parse_draws(draws), work_dir / "recipes.jsonl"
    if not table:
        measure_draws(
            load_config(config, [f"data.raw_dir={json.dumps(str(raw_dir))}", *(overrides or ())]),
            numbers,
            work_dir=work_dir,
            results=results,
            transformer=transformer,
            singles=singles,
            most=molecules,
        )
    for line in [*table_lines(results, numbers), *blend_lines(results, numbers)]:
        typer.echo(line)


def _show(comparison: "Comparison", out: Path | None) -> None:
    """Print the table, and write the figures where asked."""
    from benchmarks.measurement import print_comparisons

    print_comparisons([comparison], open_console())
    _write([comparison.as_dict()], out)


def _write(figures: list[dict[str, Any]], out: Path | None) -> None:
    from belka.files import atomic_path

    if out is not None:
        with atomic_path(out) as partial:
            partial.write_text(json.dumps(figures, indent=2) + "\n")

"""`ecg batch`: a cohort of recordings to tables, on Ray Data."""

import argparse
import importlib
from pathlib import Path

from ecg.cli.arguments import at_least
from ecg.cli.recordings import add_model_arguments, add_stated_arguments, stated
from ecg.errors import BackendUnavailable, MalformedInput
from ecg.models.cards import CARDS, cards_at
from ecg.pipeline import WITHOUT_MODELS, parse_include

#: The job stands above this library, which never imports it: it is looked up by name when it is asked for, and a
#: library without it refuses (docs/decisions/0020-batch-job.md).
_JOB = "deployments.cohort.job"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Inputs, output folder, and what is computed where."""
    parser.description = (
        "Analyse every recording of an archive and write Parquet tables: recordings/ and errors/ under DIR. "
        "A job that was cut short goes on where it stopped when the same command is given again. "
        "Exit status 1 says that some recordings could not be analysed; errors/ says which and why."
    )
    parser.add_argument(
        "inputs",
        nargs="+",
        metavar="INPUT",
        help="folder (its recordings of any format; what is passed over is counted by kind), zip or HDF5 file of "
        "many, recording, manifest (.txt or RECORDS: one path a line), Parquet table with a column 'path', or URL of "
        "these (s3://…)",
    )
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="folder of the tables")
    add_model_arguments(parser)
    add_stated_arguments(parser)
    parser.add_argument(
        "--metadata",
        type=Path,
        metavar="FILE",
        help="CSV or Parquet table of the archive; its rows are written to DIR/metadata.parquet by path",
    )
    parser.add_argument("--key", metavar="COLUMN", help="column of --metadata that names recordings")
    parser.add_argument(
        "--untrained", action="store_true", help="let models without training speak; what they say means nothing"
    )
    parser.add_argument("--parts", type=at_least(1), metavar="N", help="output files a table (default: one for 256)")
    parser.add_argument("--address", help="Ray cluster to run on; a local one is started when this is not given")
    parser.add_argument(
        "--resume",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="go on with the job in DIR, or begin it anew",
    )


def run(args: argparse.Namespace) -> int:
    """Hand the job over and return its exit status."""
    models = (*CARDS, *args.model)
    if (args.metadata is None) != (args.key is None):
        raise MalformedInput("--metadata and --key belong together.", "key", "--metadata FILE --key COLUMN", args.key)
    include = parse_include(args.include, frozenset(cards_at(models)) | WITHOUT_MODELS)
    try:
        job = importlib.import_module(_JOB)
    except ModuleNotFoundError as error:
        raise BackendUnavailable(
            f"`ecg batch` needs the service's packages ({error.name} is missing): pip install 'ecg-serve[all]'.",
            "installation",
            "ecg-serve[all]",
            error.name,
        ) from None
    wanted = job.BatchJob(
        inputs=tuple(args.inputs),
        out=args.out,
        include=include,
        weights=args.weights,
        stated=stated(args),
        address=args.address,
        parts=args.parts,
        resume=args.resume,
        models=models,
        untrained=args.untrained,
        metadata=args.metadata,
        key=args.key,
    )
    return int(job.run(wanted))

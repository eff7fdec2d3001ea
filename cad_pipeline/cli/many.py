"""The commands for many parts: a batch over many machines, and a service."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cad_pipeline.cli.arguments import (
    CamerasOption,
    Checkpoint,
    Debug,
    Device,
    Json,
    MinIou,
    Overwrite,
    Quiet,
    Timeout,
    Unit,
    Walls,
)
from cad_pipeline.generators.checkpoint import DEFAULT_CHECKPOINT
from cad_pipeline.options import DEFAULT_GENERATOR, DEFAULT_MIN_IOU, DEFAULT_TIMEOUT_S
from cad_sandbox.limits import Isolation

__all__ = ["batch", "serve"]


def batch(
    parts: Annotated[
        list[str],
        typer.Argument(metavar="PARTS", help="Folder, glob, CSV or Parquet manifest with a column path, or s3://… ."),
    ],
    out: Annotated[str, typer.Option("--out", "-o", help="Folder for results, or an address such as s3://…")] = "out",
    ray: Annotated[
        str | None, typer.Option("--ray", help="Address of a Ray cluster.", show_default="a local one")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Actors that convert, one core each.", show_default="by cores and memory")
    ] = None,
    memory: Annotated[int, typer.Option("--memory-mb", help="Memory to plan for each worker.")] = 2048,
    num_gpus: Annotated[float, typer.Option("--num-gpus", help="GPUs, or share of one, for each actor's model.")] = 1.0,
    gpu_workers: Annotated[
        int | None, typer.Option("--gpu-workers", help="Actors that hold the model.", show_default="by GPUs")
    ] = None,
    gpu_batch: Annotated[int, typer.Option("--gpu-batch", help="Parts that a model writes for at once.")] = 8,
    block: Annotated[
        int | None, typer.Option(help="Parts handed out together; more suits cheap parts.", show_default="1")
    ] = None,
    wheel: Annotated[
        Path | None, typer.Option(help="This project's wheel, for nodes of a cluster that lack it.")
    ] = None,
    unit: Unit = None,
    min_iou: MinIou = DEFAULT_MIN_IOU,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    part_timeout: Annotated[
        float, typer.Option("--part-timeout", help="Seconds that one part may take in all.")
    ] = 900.0,
    part_memory: Annotated[
        int, typer.Option("--part-memory-mb", help="Memory that one part may take beyond its worker's own.")
    ] = 8192,
    isolation: Walls = Isolation.STRICT,
    generator: Annotated[
        str, typer.Option(help="Who writes programs: auto, geometric, qwen, server, facets, or a program file.")
    ] = DEFAULT_GENERATOR,
    rig: CamerasOption = None,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    device: Device = "auto",
    samples: Annotated[int, typer.Option(help="Programs that a model writes for each part.")] = 8,
    seed: Annotated[int, typer.Option(help="What a model's draws begin with.")] = 0,
    server: Annotated[
        str, typer.Option(help="Address of an OpenAI-compatible server; its key is read from OPENAI_API_KEY.")
    ] = "",
    model: Annotated[str, typer.Option(help="Name of the model on the server.", show_default="its first")] = "",
    export_dataset: Annotated[
        Path | None,
        typer.Option("--export-dataset", help="Also write accepted parts as training rows into this Parquet file."),
    ] = None,
    json: Json = False,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the batch that lies in OUT; what is finished stays.")
    ] = False,
    keep_attempts: Annotated[
        bool, typer.Option("--keep-attempts", help="Keep every program that was tried, with its files.")
    ] = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Convert thousands of parts over many cores or machines, each exactly once.

    OUT gets what convert writes for each part, verdicts.parquet with a row a part, and summary.html.

    A part that kills its workers twice is put aside with the evidence; the others go on.

    [bold]Examples[/bold]

      cad-pipeline batch parts/ -o out

      cad-pipeline batch parts/ -o out --resume          whatever was killed: what is missing is done

      cad-pipeline batch 'parts/**/*.stl' -o out --generator facets --block 20

      cad-pipeline batch list.csv -o out --export-dataset rows.parquet --json > rows.jsonl

      cad-pipeline batch list.parquet -o s3://bucket/out --ray auto --generator qwen
    """
    from cad_pipeline.cli.exits import boundary, interruptible

    with boundary(debug=debug), interruptible():
        from cad_pipeline.batch import Machines
        from cad_pipeline.cli.batching import Plan, run_batch
        from cad_pipeline.cli.converting import Choices
        from cad_pipeline.options import ModelOptions, Options

        choices = Choices.of(
            json=json, overwrite=overwrite, resume=resume, keep=keep_attempts, quiet=quiet, debug=debug
        )
        plan = Plan(
            machines=Machines(
                workers=workers,
                memory_mb=memory,
                num_gpus=num_gpus,
                gpu_workers=gpu_workers,
                parts_per_gpu_batch=gpu_batch,
                parts_per_block=block,
            ),
            ray_address=ray,
            wheel=wheel,
            existing=choices.existing,
            keep=choices.keep,
            part_timeout_s=part_timeout,
            part_memory_mb=part_memory,
            export_dataset=export_dataset,
            json=json,
            quiet=quiet,
        )
        writer = ModelOptions(
            checkpoint=checkpoint, device=device, samples=samples, seed=seed, server=server, model=model
        )
        options = Options(
            generator=generator,
            min_iou=min_iou,
            timeout_s=timeout,
            isolation=isolation,
            unit=unit,
            rig=rig,
            model=writer,
        )
        raise typer.Exit(run_batch(parts, out=out, options=options, plan=plan))


def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8000,
    token_file: Annotated[
        Path | None,
        typer.Option(
            "--token-file", help="File with the token that callers must bear.", show_default="CAD_PIPELINE_TOKEN"
        ),
    ] = None,
    workers: Annotated[int, typer.Option(help="Actors that convert, one core each.")] = 1,
    max_mb: Annotated[int, typer.Option("--max-mb", help="Largest upload.")] = 64,
    max_jobs: Annotated[int, typer.Option("--max-jobs", help="Jobs that may wait or be worked on at a time.")] = 64,
    keep: Annotated[float, typer.Option(help="Seconds for which results are kept.")] = 3600.0,
    min_iou: MinIou = DEFAULT_MIN_IOU,
    timeout: Timeout = DEFAULT_TIMEOUT_S,
    part_timeout: Annotated[
        float, typer.Option("--part-timeout", help="Seconds that one part may take in all.")
    ] = 300.0,
    part_memory: Annotated[
        int, typer.Option("--part-memory-mb", help="Memory that one part may take beyond its worker's own.")
    ] = 8192,
    isolation: Walls = Isolation.STRICT,
    generator: Annotated[
        str, typer.Option(help="Who writes programs: auto, geometric, qwen, server, or facets.")
    ] = DEFAULT_GENERATOR,
    checkpoint: Checkpoint = DEFAULT_CHECKPOINT,
    device: Device = "auto",
    samples: Annotated[int, typer.Option(help="Programs that a model writes for each part.")] = 8,
    num_gpus: Annotated[float, typer.Option("--num-gpus", help="GPUs, or share of one, for the model.")] = 1.0,
    gpu_batch: Annotated[int, typer.Option("--gpu-batch", help="Parts that a model writes for at once.")] = 8,
    ray: Annotated[
        str | None, typer.Option("--ray", help="Address of a Ray cluster.", show_default="a local one")
    ] = None,
    debug: Debug = False,
) -> None:
    """Convert meshes that are posted over HTTP, until interrupted.

    Listens on the loopback; callers bear a token, from CAD_PIPELINE_TOKEN, a file, or drawn and told at the start.

    The page at / shows the calls by example, the one at /docs describes all of them.

    [bold]Examples[/bold]

      cad-pipeline serve --port 8000 --workers 4

      curl -H "Authorization: Bearer $TOKEN" --data-binary @plate.stl "http://127.0.0.1:8000/v1/jobs?name=plate"

      curl -H "Authorization: Bearer $TOKEN" -OJ "http://127.0.0.1:8000/v1/jobs/$ID/result"
    """
    from cad_pipeline.cli.exits import boundary, interruptible

    with boundary(debug=debug), interruptible():
        from cad_pipeline.cli.serving import find_token, run_service
        from cad_pipeline.options import ModelOptions, Options
        from cad_pipeline.serve import Service

        model = ModelOptions(checkpoint=checkpoint, device=device, samples=samples)
        token, told = find_token(token_file)
        service = Service(
            token=token,
            host=host,
            port=port,
            options=Options(generator=generator, min_iou=min_iou, timeout_s=timeout, isolation=isolation, model=model),
            workers=workers,
            max_bytes=max_mb << 20,
            max_jobs=max_jobs,
            part_timeout_s=part_timeout,
            part_memory_mb=part_memory,
            keep_s=keep,
            model=generator == "qwen",
            num_gpus=num_gpus,
            parts_per_gpu_batch=gpu_batch,
        )
        run_service(service, ray_address=ray, told=told)

"""How fast models answer, measured side by side."""

import statistics
import time
from collections.abc import Mapping, Sequence

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


def sentences_per_second(
    models: Mapping[str, PreTrainedModel],
    tokenizer: PreTrainedTokenizerBase,
    texts: Sequence[str],
    *,
    batch_size: int,
    max_length: int,
    runs: int,
) -> dict[str, float]:
    """Throughput of each model on real texts, tokenisation not counted.

    The models take turns, batch by batch, so that whatever else the machine does falls on all of them alike; one
    uncounted turn warms up.

    Args:
        models: by name; put in evaluation mode.
        tokenizer: of all the models.
        texts: at least one; repeated as needed.
        batch_size: texts per forward.
        max_length: tokens per text at most; a batch is padded to its longest text.
        runs: counted forwards per model.

    Returns:
        Sentences per second by model: `batch_size` over the median seconds of a forward.
    """
    seconds: dict[str, list[float]] = {name: [] for name in models}
    for model in models.values():
        model.eval()
    with torch.inference_mode():
        for run in range(runs + 1):
            batch = [texts[(run * batch_size + offset) % len(texts)] for offset in range(batch_size)]
            inputs = tokenizer(batch, truncation=True, max_length=max_length, padding=True, return_tensors="pt")
            for name, model in models.items():
                on_device = inputs.to(model.device)
                start = time.perf_counter()
                model(**on_device)
                if model.device.type == "cuda":
                    torch.cuda.synchronize()
                if run > 0:
                    seconds[name].append(time.perf_counter() - start)
    return {name: batch_size / statistics.median(times) for name, times in seconds.items()}


__all__ = ["sentences_per_second"]

"""`log_level` of the training arguments for the loggers of this package, as the stock Trainer has it for its own."""

import logging

from transformers import TrainingArguments

_PACKAGE = "hf_tinybert"


def follow_log_level(args: TrainingArguments) -> None:
    """Have this package log from the level that the arguments give this process.

    That is `log_level` where `args.should_log`, and `log_level_replica` in the other processes; `passive` leaves it as
    it is. What is below a warning has nowhere to go in a program that set up no logging: it goes to standard error, as
    with transformers, until the program does.

    Args:
        args: of the run.
    """
    if (args.log_level if args.should_log else args.log_level_replica) == "passive":
        return
    logger, level = logging.getLogger(_PACKAGE), args.get_process_log_level()
    logger.setLevel(level)
    if level < logging.WARNING and not logger.hasHandlers():
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(f"[{_PACKAGE}] %(message)s"))
        handler.addFilter(lambda record: not logging.root.handlers)
        logger.addHandler(handler)


__all__ = ["follow_log_level"]

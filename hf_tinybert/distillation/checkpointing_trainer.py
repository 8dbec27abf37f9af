"""The stock Trainer, which saves a student for use and its projections beside it."""

from abc import abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import PreTrainedModel

from hf_tinybert.distillation.adapters import is_adapter_model, transformers_model, without_projections
from hf_tinybert.distillation.arguments import DistillationArguments
from hf_tinybert.distillation.checkpoints import TRAINER_STATE_FILE
from hf_tinybert.distillation.projections import PROJECTIONS_ATTRIBUTE, PROJECTIONS_FILE, attached_projections
from hf_tinybert.distillation.publishing_trainer import PublishingTrainer
from hf_tinybert.distillation.record import DistillationRecord
from hf_tinybert.distillation.sharding import complete_state

if TYPE_CHECKING:
    from peft import PeftModel


class CheckpointingTrainer(PublishingTrainer):
    """Keeps projections and record with every checkpoint, and projections out of what is for use.

    Args:
        model: the student, or a `PeftModel` of it, which may hold `distillation_projections`.
        **kwargs: everything else of the stock Trainer.
    """

    args: DistillationArguments
    model: PreTrainedModel

    def __init__(self, model: "PreTrainedModel | PeftModel", **kwargs: Any) -> None:  # noqa: ANN401 (of its base)
        # a model loaded from LayerNorm.gamma/beta would write these names again and lose them on resume
        vars(transformers_model(model)).pop("_weight_conversions", None)
        super().__init__(model=model, **kwargs)

    @property
    def _student(self) -> PreTrainedModel:
        """The transformers model: inside the adapter of an adapter student."""
        return transformers_model(self.model)

    @abstractmethod
    def _record(self) -> DistillationRecord:
        """What a folder tells of its run."""

    def save_model(self, output_dir: str | None = None, _internal_call: bool = False) -> None:
        """Write the student, its tokenizer and `distillation.json`; projections go into checkpoints only."""
        folder = Path(output_dir or str(self.args.output_dir))
        if self.args.should_save:  # before the stock call, which may push the folder
            folder.mkdir(parents=True, exist_ok=True)
            if _internal_call:  # not whole again until its last file is written
                (folder / TRAINER_STATE_FILE).unlink(missing_ok=True)
            self._record().save(folder)
        projections = attached_projections(self.model)
        if _internal_call and projections is not None:
            projections.save(folder, write=self.args.should_save)
        super().save_model(output_dir, _internal_call)

    def _save(self, output_dir: str | None = None, state_dict: dict[str, Any] | None = None) -> None:
        """What is saved for use holds no projections; peft would take their biases where it saves biases."""
        if state_dict is None and is_adapter_model(self.model):
            state_dict = self.model.state_dict()
        super()._save(output_dir, None if state_dict is None else without_projections(state_dict))

    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        if self.is_fsdp_enabled and self.optimizer is not None:
            complete_state(self.optimizer)
        super()._save_optimizer_and_scheduler(output_dir)

    def _save_rng_state(self, output_dir: str) -> None:
        """As in the stock Trainer; the file written last, and with it the checkpoint, waits for every process."""
        super()._save_rng_state(output_dir)
        self.accelerator.wait_for_everyone()

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: nn.Module | None = None) -> None:
        super()._load_from_checkpoint(resume_from_checkpoint, model)
        self._load_projections(Path(resume_from_checkpoint))

    def _load_best_model(self) -> None:
        super()._load_best_model()
        self._load_projections(Path(str(self.state.best_model_checkpoint)))

    def _load_projections(self, folder: Path) -> None:
        projections = attached_projections(self.model)
        if projections is None or self.is_deepspeed_enabled or self.is_fsdp_enabled:
            return  # those restore the whole module, projections included
        if not (folder / PROJECTIONS_FILE).is_file():
            raise ValueError(
                f"expected `{PROJECTIONS_FILE}` in `{folder}`, got none; because training would go on with untrained "
                "projections; resume from a checkpoint that DistillationTrainer wrote"
            )
        projections.load(folder)

    def _issue_warnings_after_load(self, load_result: Any) -> None:  # noqa: ANN401
        """Projections have a file of their own: not missing."""
        load_result.missing_keys[:] = [
            name for name in load_result.missing_keys if not name.startswith(PROJECTIONS_ATTRIBUTE)
        ]
        super()._issue_warnings_after_load(load_result)


__all__ = ["CheckpointingTrainer"]

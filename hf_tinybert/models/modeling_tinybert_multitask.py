"""One TinyBERT encoder with a named head per task."""

import os
from collections.abc import Iterable, Mapping
from typing import Any, cast

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel, BertPreTrainedModel, PreTrainedModel
from transformers.utils.generic import ModelOutput, can_return_tuple

from .configuration_tinybert import TinyBertConfig
from .configuration_tinybert_tasks import check_task_name, check_tasks, known_task, plain_tasks
from .modeling_tinybert import TRAINING_ONLY_KEYS
from .modeling_tinybert_heads import HEAD_CLASSES, HeadInputs, TaskHead, VocabularyHead, other_reading

Tasks = Mapping[str, Mapping[str, Any]] | Iterable[tuple[str, Mapping[str, Any]]]

_CHOICES = "multiple-choice"


class TinyBertForMultiTask(BertPreTrainedModel):
    """The encoder with one head per task, of any mix of kinds; a batch goes through one of them.

    Args:
        config: Shape of the encoder, and the heads in `config.tasks`.

    Raises:
        ValueError: The configuration names no tasks, or one whose name a module cannot have.
    """

    config: TinyBertConfig
    config_class = TinyBertConfig
    accepts_loss_kwargs = False
    _keys_to_ignore_on_load_unexpected = TRAINING_ONLY_KEYS

    def __init__(self, config: TinyBertConfig) -> None:
        super().__init__(config)
        if config.tasks is None:
            raise ValueError(
                "expected a configuration with `tasks`, got one without; because they say which heads there are; "
                "build the model with `TinyBertForMultiTask.from_encoder(encoder, tasks)`"
            )
        self.bert = BertModel(config, add_pooling_layer=False)
        self.heads = nn.ModuleDict({module_name(name): self._new_head(name) for name in config.tasks})
        self._tied_weights_keys = self._tied_weights()
        self.post_init()  # type: ignore[no-untyped-call]  # untyped in transformers

    @property
    def task_names(self) -> tuple[str, ...]:
        """The names of the heads, in order."""
        return tuple(self.heads)

    @can_return_tuple  # type: ignore[untyped-decorator]  # untyped in transformers
    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        token_type_ids: Tensor | None = None,
        position_ids: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        task: str | None = None,
        labels: Tensor | None = None,
        start_positions: Tensor | None = None,
        end_positions: Tensor | None = None,
        **kwargs: Any,  # noqa: ANN401 (of the encoder)
    ) -> ModelOutput:
        """One batch of one task.

        Args:
            input_ids: int64 `(batch, seq_len)`; of multiple choice, like all that follow, `(batch, choices, seq_len)`.
            attention_mask: `(batch, seq_len)`, non-zero at valid tokens; None counts all.
            token_type_ids: int64 `(batch, seq_len)`.
            position_ids: int64 `(batch, seq_len)`.
            inputs_embeds: `(batch, seq_len, hidden_size)`, in place of `input_ids`.
            task: The head that answers; may be left out where there is only one.
            labels: As the one-task model of the kind takes them.
            start_positions: int64 `(batch,)`, of question answering.
            end_positions: int64 `(batch,)`, of question answering.
            **kwargs: Of the encoder, such as `output_hidden_states`.

        Returns:
            The output of the one-task model of the kind: loss where labels are given, logits, and hidden states and
            attentions where they are asked for.

        Raises:
            ValueError: There is no such task, or several and `task` was left out.
        """
        name = self._chosen(task)
        sequences: dict[str, Tensor | None] = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "token_type_ids": token_type_ids,
            "position_ids": position_ids,
        }
        choices = 1
        if self._kind(name) == _CHOICES:
            read = input_ids if input_ids is not None else inputs_embeds
            choices = 1 if read is None else read.shape[1]
            sequences = {key: None if value is None else value.flatten(0, 1) for key, value in sequences.items()}
            inputs_embeds = None if inputs_embeds is None else inputs_embeds.flatten(0, 1)
        encoded = self.bert(**sequences, inputs_embeds=inputs_embeds, return_dict=True, **kwargs)
        mask = sequences["attention_mask"]
        output: ModelOutput = self.heads[name](
            HeadInputs(encoded.last_hidden_state, mask, choices, labels, start_positions, end_positions)
        )
        for key in ("hidden_states", "attentions"):
            if encoded.get(key) is not None:
                output[key] = encoded[key]
        return output

    def for_task(self, name: str) -> PreTrainedModel:
        """A plain one-task model with copies of the encoder and of one head; its outputs are this model's bit for bit.

        Args:
            name: Of the task.

        Returns:
            A model of the class of the task's kind, such as `TinyBertForTokenClassification`, on the same device, in
            the same type and mode.

        Raises:
            ValueError: There is no such task.
        """
        config = self.config.for_task(self._chosen(name))
        model_class = cast("type[PreTrainedModel]", HEAD_CLASSES[self._kind(name)][1])
        with torch.random.fork_rng(devices=[]):  # weights that are overwritten at once must not move the random state
            model = model_class(config)
        nn.Module.to(model, device=self.device, dtype=self.dtype)
        state = {key: value for key, value in self.state_dict().items() if key.startswith("bert.")}
        state |= {_one_task_key(key): value for key, value in self.heads[name].state_dict().items()}
        model.load_state_dict(state)
        model.train(self.training)
        return model

    def add_task(self, name: str, spec: Mapping[str, Any], head_from: PreTrainedModel | None = None) -> None:
        """Give the model one more head.

        Args:
            name: Of the new task.
            spec: What `config.tasks` says of it: its `kind`, and what of `id2label`, `num_labels`, `pooling`, ... the
                kind needs.
            head_from: A one-task model of the kind whose head, pooler included, is copied; it reads this model's
                encoder from now on, so that it fits best if that model's encoder was this one. None starts at random.

        Raises:
            ValueError: There is such a task already, the description is wrong, or `head_from` has another head, or one
                that the description reads otherwise.
        """
        if name in self.heads:
            raise ValueError(
                f"expected a new task name, got `{name}`, which the model has; because each head has a name of its "
                "own; choose another, or remove the old head first (`remove_task`)"
            )
        tasks = plain_tasks({**(self.config.tasks or {}), name: spec})
        check_tasks(tasks)
        before = self.config.tasks
        self.config.tasks = tasks
        try:
            head = self._new_head(module_name(name))
            head.apply(self._initialize_weights)
            if head_from is not None:
                _copy_head(head, head_from, name, self.config.for_task(name))
        except ValueError:
            self.config.tasks = before
            raise
        nn.Module.to(head, device=self.device, dtype=self.dtype)
        self.heads[name] = head.train(self.training)
        self.heads = nn.ModuleDict({other: self.heads[other] for other in tasks})
        self._tie()

    def copy_head(self, name: str, source: PreTrainedModel) -> None:
        """Put the head of a one-task model, pooler included, in the place of one of this model's.

        Args:
            name: Of the task.
            source: A one-task model of the kind, with as many labels.

        Raises:
            ValueError: There is no such task, or `source` has another head, or one that the task reads otherwise.
        """
        name = self._chosen(name)
        _copy_head(cast("TaskHead", self.heads[name]), source, name, self.config.for_task(name))

    def remove_task(self, name: str) -> None:
        """Take a head out of the model.

        Args:
            name: Of the task.

        Raises:
            ValueError: There is no such task, or no other.
        """
        name = self._chosen(name)
        if len(self.heads) == 1:
            raise ValueError(
                f"expected a head to be left, got `{name}` to remove, which is the only one; because a model without "
                "heads answers nothing; add the next one first, or take the encoder (`model.bert`)"
            )
        del self.heads[name]
        self.config.tasks = {other: spec for other, spec in (self.config.tasks or {}).items() if other != name}
        self._tie()

    @classmethod
    def from_encoder(cls, encoder: PreTrainedModel, tasks: Tasks) -> "TinyBertForMultiTask":
        """A multi-task model on a trained encoder, with heads that start at random.

        Poolers start at the encoder's, where it has one.

        Args:
            encoder: A TinyBERT or BERT model; a head on it is left out (`add_task` with `head_from` takes one over).
            tasks: The heads by name, as in `config.tasks`; a mapping or pairs.

        Raises:
            ValueError: The encoder is of another family, or a task has no or another's name, or is not described.
        """
        if not isinstance(encoder.config, BertConfig):
            raise ValueError(
                f"expected a TinyBERT or BERT encoder, got `{type(encoder).__name__}` of the family "
                f"`{encoder.config.model_type}`; because the weights must fit BERT's modules; take another encoder"
            )
        config = _encoder_config(encoder.config, _distinct(tasks))
        model = cls(config)
        nn.Module.to(model, device=encoder.device, dtype=encoder.dtype)
        weights = encoder.base_model.state_dict()
        model.bert.load_state_dict({key: weights[key] for key in model.bert.state_dict()})
        pooler = {key.removeprefix("pooler."): value for key, value in weights.items() if key.startswith("pooler.")}
        for head in model.heads.values():
            if pooler and "pooler" in head._modules:
                head.get_submodule("pooler").load_state_dict(pooler)
        return cast("TinyBertForMultiTask", model.train(encoder.training))

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] | None,
        *model_args: Any,  # noqa: ANN401 (of the stock method)
        output_loading_info: bool = False,
        **kwargs: Any,  # noqa: ANN401 (of the stock method)
    ) -> Any:  # noqa: ANN401 (as the stock method: the model, or the model and a report)
        """As the stock method, but a head that the checkpoint does not hold is an error and not a random head.

        Args:
            pretrained_model_name_or_path: Folder or Hub name.
            *model_args: Of the stock method.
            output_loading_info: Whether to give the report of missing and unexpected weights beside the model.
            **kwargs: Of the stock method.

        Raises:
            ValueError: `config.tasks` names a head, or the encoder has a part, whose weights the checkpoint lacks.
        """
        loaded: Any = super().from_pretrained(
            pretrained_model_name_or_path, *model_args, output_loading_info=True, **kwargs
        )
        model, report = loaded
        random = {*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])}
        if random:
            heads = sorted({key.split(".")[1] for key in random if key.startswith("heads.")})
            got = f"none of the head {_quoted(heads)}" if heads else "none of the encoder"
            raise ValueError(
                f"expected the weights of every task of `config.tasks` in `{pretrained_model_name_or_path}`, got "
                f"{got} (missing or of another shape: {_quoted(sorted(random))}); because they would start at random; "
                "load the checkpoint with the tasks that it holds and give the model the new ones with `add_task`"
            )
        return (model, report) if output_loading_info else model

    def get_output_embeddings(self) -> nn.Module | None:
        """The output matrix of the masked-LM head; None without such a head."""
        head = self._vocabulary_head()
        return None if head is None else head.get_submodule("cls.predictions.decoder")

    def set_output_embeddings(self, new_embeddings: nn.Linear) -> None:
        """Replace the output matrix of the masked-LM head, and its bias.

        Args:
            new_embeddings: Of another vocabulary size.
        """
        head = self._vocabulary_head()
        if head is not None:
            predictions = head.get_submodule("cls.predictions")
            predictions.add_module("decoder", new_embeddings)
            predictions.register_parameter("bias", new_embeddings.bias)

    def _chosen(self, task: str | None) -> str:
        known_task(self.config.tasks, task)
        return self.task_names[0] if task is None else task

    def _kind(self, name: str) -> str:
        return str(known_task(self.config.tasks, name)["kind"])

    def _new_head(self, name: str) -> TaskHead:
        head: TaskHead = HEAD_CLASSES[self._kind(name)][0](self.config.for_task(name))
        return head

    def _vocabulary_head(self) -> VocabularyHead | None:
        return next((head for head in self.heads.values() if isinstance(head, VocabularyHead)), None)

    def _tied_weights(self) -> dict[str, str]:
        tied = {}
        for name, head in self.heads.items():
            if isinstance(head, VocabularyHead):
                predictions = f"heads.{name}.cls.predictions"
                tied[f"{predictions}.decoder.weight"] = "bert.embeddings.word_embeddings.weight"
                tied[f"{predictions}.decoder.bias"] = f"{predictions}.bias"
        return tied

    def _tie(self) -> None:
        """Tie what the heads of now tie."""
        self._tied_weights_keys = self._tied_weights()
        self.all_tied_weights_keys = self.get_expanded_tied_weights_keys(all_submodels=False)
        self.tie_weights()


def module_name(name: str) -> str:
    """A task's name, as its head can be called.

    Raises:
        ValueError: `check_task_name` refuses it, or `nn.ModuleDict` has a method or an attribute of that name.
    """
    check_task_name(name)
    if hasattr(nn.ModuleDict(), name):
        raise ValueError(
            f"expected a task name that can name a module, got `{name}`; because `torch.nn.ModuleDict` has an "
            "attribute of that name; choose another, such as the data set's"
        )
    return name


def _distinct(tasks: Tasks) -> dict[str, Mapping[str, Any]]:
    distinct: dict[str, Mapping[str, Any]] = {}
    for name, spec in tasks.items() if isinstance(tasks, Mapping) else tasks:
        if name in distinct:
            raise ValueError(
                f"expected every task name once, got `{name}` twice; because a head is found by its name; rename one"
            )
        distinct[name] = spec
    return distinct


def _encoder_config(config: BertConfig, tasks: Mapping[str, Mapping[str, Any]]) -> TinyBertConfig:
    """The configuration of an encoder of TinyBERT or BERT with heads in place of its own."""
    left_out = ("architectures", "id2label", "label2id", "model_type", "problem_type", "tasks", "transformers_version")
    values = {name: value for name, value in config.to_dict().items() if name not in left_out}
    return TinyBertConfig(**values, tasks=plain_tasks(tasks))


def _copy_head(head: TaskHead, source: PreTrainedModel, name: str, config: TinyBertConfig) -> None:
    """Copy the head of a one-task model, under the names that it has in a multi-task model.

    Args:
        head: To fill.
        source: One-task model.
        name: Of the task.
        config: Of the one-task model that the task describes.
    """
    state = source.state_dict()
    own = {key: _one_task_key(key) for key in head.state_dict()}
    wrong = [
        f"`{theirs}`"
        for key, theirs in own.items()
        if theirs not in state or state[theirs].shape != head.state_dict()[key].shape
    ]
    elsewhere = ("bert.embeddings.", "bert.encoder.", "distillation_projections.")
    extra = [key for key in state if not key.startswith(elsewhere) and key not in own.values()]
    if wrong or extra:
        raise ValueError(
            f"expected a model with the head of the task `{name}` as `head_from`, got `{type(source).__name__}` "
            f"(missing or of another shape: {', '.join(wrong) or 'nothing'}; besides: {', '.join(extra) or 'nothing'})"
            "; because the weights are taken over one by one; give the task the kind and the labels of that model"
        )
    other = other_reading(head, config, source.config)
    if other:
        raise ValueError(
            f"expected a head that reads as the task `{name}` does, got `{type(source).__name__}` with {other}; "
            "because the same weights would answer otherwise; describe the task as that model's configuration does"
        )
    head.load_state_dict({key: state[theirs] for key, theirs in own.items()})


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _one_task_key(key: str) -> str:
    """The name in a one-task model of a head's parameter: its pooler is the encoder's there."""
    return f"bert.{key}" if key.startswith("pooler.") else key


__all__ = ["TinyBertForMultiTask", "module_name"]

from dataclasses import replace

import pytest
import torch
from datasets import Dataset
from torch import nn
from transformers import BertTokenizer, DataCollatorForLanguageModeling, MPNetConfig, MPNetForSequenceClassification

from hf_tinybert.distillation.attention import AttentionScores
from hf_tinybert.distillation.preflight.setup import evaluating, spread


@pytest.mark.parametrize(("count", "wanted"), [(10, 3), (3, 10), (1, 1), (1000, 7)])
def test_spread_rows_are_different_and_reach_over_the_set(count, wanted):
    """Prevents the first rows of a sorted data set from standing for all of it."""
    rows = spread(count, wanted)
    assert len(set(rows)) == len(rows) == min(count, wanted)
    assert rows[0] == 0 and all(row < count for row in rows)
    assert rows[-1] >= count - count // len(rows) - 1


def test_a_batch_holds_what_either_model_reads_and_the_labels(setup, rows):
    """Prevents a text column from breaking the collator, and a teacher without its token types."""
    texts = rows.add_column("text", ["x"] * len(rows)).add_column("token_type_ids", rows["attention_mask"][:])
    batch = replace(setup, train_dataset=texts).batch(texts, [0, 1, 5])
    assert set(batch) == {"input_ids", "attention_mask", "token_type_ids", "labels"}
    assert batch["input_ids"].shape == (3, 8) and batch["labels"].tolist() == [0, 1, 2]
    assert "labels" not in setup.teacher_inputs(batch)


def test_a_batch_holds_every_column_where_the_trainer_removes_none(setup, rows):
    """Prevents a refusal of a collator that tokenises, which finds no text in the rows of the checks."""
    texts, seen = rows.add_column("text", ["x"] * len(rows)), []
    keeping = replace(setup.arguments, remove_unused_columns=False)
    replace(setup, arguments=keeping, collator=lambda chosen: seen.extend(chosen) or {}).batch(texts, [0])
    named = replace(setup.arguments, label_names=["text"])
    replace(setup, arguments=named, collator=lambda chosen: seen.extend(chosen) or {}).batch(texts, [0])
    assert [row["text"] for row in seen] == ["x", "x"]


def test_lengths_are_those_of_each_models_encoding():
    """Prevents the student's lengths from being held against the teacher's positions."""
    from hf_tinybert.distillation.preflight.setup import Setup

    rows = Dataset.from_dict({"input_ids": [[1, 2], [1, 2, 3]], "teacher_input_ids": [[1] * 5, [1] * 6]})
    both = Setup(student=None, teacher=None, objectives=(), train_dataset=rows)
    assert (both.lengths, both.teacher_lengths) == ([2, 3], [5, 6])
    one = replace(both, train_dataset=rows.remove_columns("teacher_input_ids"))
    assert (one.lengths, one.teacher_lengths) == ([2, 3], [2, 3])
    choices = Dataset.from_dict({"input_ids": [[[1, 2], [1, 2, 3, 4]]]})
    assert replace(both, train_dataset=choices).lengths == [4]


def test_evaluation_mode_ends_with_the_block_for_every_module():
    """Prevents a frozen part of a student from being put into training by a check."""
    model = nn.Sequential(nn.Linear(1, 1), nn.Dropout())
    model.train()
    model[1].eval()
    with pytest.raises(RuntimeError), evaluating(model):
        assert not model.training
        raise RuntimeError
    assert model.training and model[0].training and not model[1].training


def test_a_teacher_off_the_interface_gives_score_maps(setup, objectives):
    """Prevents a failed forward for teachers that the trainer accepts."""
    shape = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48}
    config = MPNetConfig(**shape, vocab_size=40, max_position_embeddings=66, num_labels=3, pad_token_id=0)
    teacher = MPNetForSequenceClassification(config).eval()
    mpnet = replace(setup, teacher=teacher)
    student, states = mpnet.forward(objectives[0], mpnet.batch(mpnet.train_dataset, [0, 1]))
    assert [type(entry) for entry in states.attentions] == [AttentionScores] * 2
    assert states.attentions[0].scores.shape == (2, 4, 4, 4)
    assert len(student.hidden_states) == len(states.hidden_states) == 3


def test_a_collator_that_masks_at_random_is_used_as_it_is(setup, tokenizer: BertTokenizer):
    """Prevents labels of masked language modelling from being missed because the data set has none."""
    masked = replace(setup, collator=DataCollatorForLanguageModeling(tokenizer, mlm_probability=0.5))
    unlabelled = setup.train_dataset.remove_columns("labels")
    torch.manual_seed(0)
    assert (masked.batch(unlabelled, [6, 13])["labels"] != -100).any()

"""Tests of a trainer's rows: their order, what of them is read, and their masks."""

import torch
from transformers import DistilBertConfig, DistilBertForSequenceClassification


def test_columns_that_only_the_teacher_reads_are_kept(build_trainer):
    """Prevents token_type_ids from being dropped in front of a BERT teacher of a DistilBERT student."""
    torch.manual_seed(1)
    config = DistilBertConfig(
        vocab_size=40, dim=16, n_layers=2, n_heads=4, hidden_dim=24, max_position_embeddings=32, num_labels=3
    )
    trainer = build_trainer({"phases": ["joint"], "max_steps": 1}, model=DistilBertForSequenceClassification(config))
    seen = []
    trainer.teacher.register_forward_pre_hook(lambda _, args, kwargs: seen.append(set(kwargs)), with_kwargs=True)
    trainer.train()
    assert "token_type_ids" in seen[0]
    assert "labels" not in seen[0]


def test_rows_are_grouped_by_a_column_of_lengths(build_trainer, build_rows):
    """Prevents `length_column_name` from being without effect because no model reads that column."""
    lengths = [row % 2 for row in range(8)]  # those of the tokens are all the same
    rows = build_rows(8, lengths=(6,)).add_column("length", lengths)
    loader = build_trainer(train_dataset=rows).get_train_dataloader()
    assert [len({lengths[row] for row in step}) for step in loader.batch_sampler] == [1, 1]
    assert "length" not in loader.dataset.column_names


def test_the_trainers_batches_have_masks_where_there_is_padding(build_trainer, build_rows):
    """Prevents a collator that is not asked, or that a compiled model has to be compiled anew for."""
    rows = build_rows(8, lengths=(6, 6, 6, 6, 6, 6, 6, 8))
    trainer = build_trainer({"phases": ["joint"]}, train_dataset=rows)
    assert sorted("attention_mask" in batch for batch in trainer.get_train_dataloader()) == [False, True]
    compiled = build_trainer({"phases": ["joint"], "torch_compile": True}, train_dataset=rows)
    assert all("attention_mask" in batch for batch in compiled.get_train_dataloader())


def test_a_model_of_ones_own_finds_the_mask_in_every_batch(build_trainer, build_rows, build_student, build_teacher):
    """Prevents an error of a forward that averages by its mask, at the first step whose rows are of one length."""

    def averaging(model):
        stock = type(model)

        def forward(self, input_ids, attention_mask=None, **kwargs):
            assert attention_mask.dim() == 2
            return stock.forward(self, input_ids, attention_mask=attention_mask, **kwargs)

        model.__class__ = type(stock.__name__, (stock,), {"forward": forward})
        return model

    for models in ({"model": averaging(build_student())}, {"teacher": averaging(build_teacher())}):
        trainer = build_trainer({"phases": ["joint"]}, train_dataset=build_rows(8, lengths=(6,)), **models)
        trainer.train()
        assert trainer.state.global_step == 2

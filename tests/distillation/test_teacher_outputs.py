import pytest
import torch
from transformers import DataCollatorWithPadding

from hf_tinybert.distillation.arguments import CacheChoice
from hf_tinybert.distillation.attention_access import AttentionAccess
from hf_tinybert.distillation.cache import with_row_ids
from hf_tinybert.distillation.objective import DistillationObjective
from hf_tinybert.distillation.teacher_forward import TeacherForward
from hf_tinybert.distillation.teacher_outputs import CacheSettings, TeacherOutputs
from hf_tinybert.distillation.terms import Phase, Term

MAPPING = (0, 2, 4)
OBJECTIVES = {
    Phase.INTERMEDIATE: DistillationObjective({Term.HIDDEN_STATES: 1.0, Term.ATTENTION_SCORES: 1.0}),
    Phase.PREDICTION: DistillationObjective({Term.PREDICTION: 1.0}),
}
COLUMNS = ["attention_mask", "input_ids", "labels", "token_type_ids"]


@pytest.fixture
def outputs(build_teacher):
    teacher = build_teacher().eval()
    return TeacherOutputs(TeacherForward(teacher, teacher, AttentionAccess.INTERFACE), OBJECTIVES, 2, MAPPING)


@pytest.fixture
def open_cache(outputs, build_rows, collator, tmp_path):
    """`open_cache(choice, max_gb=1.0)`: the cache of eight rows."""

    def start(choice=CacheChoice.ALL, max_gb=1.0):
        settings = CacheSettings(tmp_path / "cache", max_gb, choice)
        device = torch.device("cpu")
        outputs.open_cache(settings, build_rows(8), collator, columns=COLUMNS, weights_sha256="0", device=device)

    return start


def _batch(build_rows, collate):
    rows = with_row_ids(build_rows(8))
    return dict(collate([rows[index] for index in (6, 1, 3)]))


@pytest.mark.parametrize("phase", list(OBJECTIVES))
def test_what_the_cache_gives_is_what_the_forward_gives(outputs, open_cache, build_rows, collator, phase):
    """Prevents states of other rows or layers, and of the other phase."""
    outputs.enter(phase)
    live_batch = _batch(build_rows, lambda rows: collator([{k: r[k] for k in COLUMNS} for r in rows]))
    mask = live_batch["attention_mask"]
    live = outputs.states(live_batch, mask)
    open_cache()
    cached = outputs.states(_batch(build_rows, outputs.cached(collator)), mask)
    assert [state is None for state in cached.hidden_states] == [state is None for state in live.hidden_states]
    for own, other in zip(cached.hidden_states[1:], live.hidden_states[1:], strict=True):
        torch.testing.assert_close(own.float() * mask[..., None], other * mask[..., None], rtol=2e-2, atol=2e-2)
    assert (cached.logits is None) == (live.logits is None)
    if live.logits is not None:
        torch.testing.assert_close(cached.logits, live.logits)


def test_without_a_cache_nothing_is_promised(outputs, collator):
    """Prevents a collator that looks rows up in a cache that is not there."""
    assert outputs.cached(collator) is None


def test_a_cache_of_logits_serves_the_phase_that_reads_no_more(outputs, open_cache, collator):
    """Prevents the other phase from being fed empty states."""
    open_cache(CacheChoice.LOGITS)
    outputs.enter(Phase.INTERMEDIATE)
    assert outputs.cached(collator) is None
    outputs.enter(Phase.PREDICTION)
    assert outputs.cached(collator) is not None


def test_what_does_not_fit_is_left_out_only_where_that_was_chosen(outputs, open_cache, collator):
    """Prevents a silent return to a forward every step, and a refusal of what was left open."""
    with pytest.raises(ValueError, match="teacher_cache_max_gb"):
        open_cache(CacheChoice.ALL, max_gb=1e-9)
    open_cache(CacheChoice.AUTO, max_gb=1e-9)
    assert outputs.cached(collator) is None


def test_a_cache_that_no_phase_would_read_is_not_computed(build_teacher, build_rows, collator, tmp_path, caplog):
    """Prevents a forward over all rows for predictions that are then predicted anew at every step."""
    objectives = {Phase.JOINT: DistillationObjective({Term.HIDDEN_STATES: 1.0, Term.PREDICTION: 1.0})}
    teacher = build_teacher().eval()
    outputs = TeacherOutputs(TeacherForward(teacher, teacher, AttentionAccess.INTERFACE), objectives, 2, MAPPING)
    settings = CacheSettings(tmp_path / "cache", 1.0, CacheChoice.LOGITS)
    arguments = {"columns": COLUMNS, "weights_sha256": "0", "device": torch.device("cpu")}
    outputs.open_cache(settings, build_rows(8), collator, **arguments)
    assert outputs.cached(collator) is None and not (tmp_path / "cache").exists()
    assert "set `teacher_cache_contents` to `all` or `auto`" in caplog.text


def test_padding_that_moves_positions_is_refused(outputs, build_rows, collator, tokenizer, tmp_path):
    """Prevents a cache of what the teacher says of other positions than those at which the student reads the text."""
    tokenizer.padding_side = "left"
    arguments = {"columns": COLUMNS, "weights_sha256": "0", "device": torch.device("cpu")}
    settings, left = CacheSettings(tmp_path / "cache", 1.0, CacheChoice.AUTO), DataCollatorWithPadding(tokenizer)
    with pytest.raises(ValueError, match="expected texts padded on the right for the teacher cache of `BertFor"):
        outputs.open_cache(settings, build_rows(8), left, **arguments)
    outputs.open_cache(settings, build_rows(8, lengths=(6,)), left, **arguments)  # nothing is padded

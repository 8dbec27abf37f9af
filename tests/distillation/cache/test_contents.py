from hf_tinybert.distillation.cache.contents import CacheContents

CONTENTS = CacheContents((0, None, 4), (None, 4), value=True)


def test_a_cache_serves_the_phases_that_need_no_more_than_it_keeps():
    """Prevents a phase from reading another teacher layer than its mapping says."""
    assert CONTENTS.covers(CONTENTS)
    assert CONTENTS.covers(CacheContents())
    assert CONTENTS.covers(CacheContents((None, None, 4), logits=False))
    assert CONTENTS.covers(CacheContents(attention_layers=(None, 4), logits=False))
    for other in (
        CacheContents((0, 2, 4)),
        CacheContents((0, None, 3)),
        CacheContents((0, 4)),
        CacheContents(attention_layers=(4, 4)),
    ):
        assert not CONTENTS.covers(other)
    without_value = CacheContents(attention_layers=(4,))
    assert not without_value.covers(CacheContents(attention_layers=(4,), value=True))
    assert not CacheContents((0,), logits=False).covers(CacheContents())
    assert CONTENTS.has_states
    assert not CONTENTS.logits_only().has_states

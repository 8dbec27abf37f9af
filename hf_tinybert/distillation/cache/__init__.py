"""The teacher's outputs on disk: computed once, checked whenever they are opened, read row by row."""

from hf_tinybert.distillation.cache.builder import CacheSource, open_teacher_cache
from hf_tinybert.distillation.cache.contents import CacheContents
from hf_tinybert.distillation.cache.plan import CacheSpaceError, teacher_identity
from hf_tinybert.distillation.cache.rows import ROW_COLUMN, with_row_ids
from hf_tinybert.distillation.cache.teacher_cache import CachedTeacherCollator, TeacherCache, holds_cached_states

__all__ = [
    "ROW_COLUMN",
    "CacheContents",
    "CacheSource",
    "CacheSpaceError",
    "CachedTeacherCollator",
    "TeacherCache",
    "holds_cached_states",
    "open_teacher_cache",
    "teacher_identity",
    "with_row_ids",
]

"""Which kind of head a model has, told by the names of classes, as transformers does."""

HEAD_KINDS = (
    "ForExtractiveSummarization",
    "ForMaskedLM",
    "ForMultipleChoice",
    "ForPreTraining",
    "ForQuestionAnswering",
    "ForSentenceEmbedding",
    "ForSequenceClassification",
    "ForTokenClassification",
)


def head_kind(model: object) -> str | None:
    """The end of a model's class name that says what it predicts; None of an encoder alone and of other heads.

    A class of one's own has the kind of the class that it is made from: `MyClassifier(BertForSequenceClassification)`
    classifies texts.

    Args:
        model: of any family.
    """
    names = (one.__name__ for one in type(model).__mro__)
    return next((kind for name in names for kind in HEAD_KINDS if name.endswith(kind)), None)


__all__ = ["HEAD_KINDS", "head_kind"]

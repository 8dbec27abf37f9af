"""Tests of pushes from training."""

from pathlib import Path

import pytest
from transformers import AutoModelForSequenceClassification

from tests.hub.fake_hub import TOKEN

PUBLIC = {".gitattributes", "README.md", "config.json", "distillation.json", "model.safetensors"}
PUBLIC |= {"tokenizer.json", "tokenizer_config.json"}


def _main(hub):
    return set(hub.files("tester/student")) - {".gitattributes"}


@pytest.fixture
def pushing(build_trainer, tokenizer, tmp_path):
    """Builds a trainer that may push, with other files in its output folder."""

    def build(**arguments):
        settings = {"hub_model_id": "tester/student", "output_dir": str(tmp_path / "out"), **arguments}
        (tmp_path / "out").mkdir(exist_ok=True)
        (tmp_path / "out" / "notes.txt").write_text("mine", encoding="utf-8")
        return build_trainer(settings, processing_class=tokenizer)

    return build


def test_the_student_goes_up_and_nothing_else_of_the_output_folder(pushing, hub):
    """Prevents training arguments with an access token, projections and private notes in public."""
    trainer = pushing(hub_token=TOKEN)
    commit = trainer.push_to_hub("Finished", tags="news", license="apache-2.0")
    assert _main(hub) <= PUBLIC
    assert {"config.json", "model.safetensors", "distillation.json", "README.md"} <= _main(hub)
    assert "- news" in hub.files("tester/student")["README.md"].decode()
    assert all(TOKEN.encode() not in content for content in hub.files("tester/student").values())
    assert commit.commit_message == "Finished"
    assert trainer.push_to_hub(blocking=False).result().commit_url


def test_the_card_that_is_asked_for_is_the_one_that_goes_up(pushing, hub, caplog):
    """Prevents the stock card, which knows no teacher, in the place of the own one, and a license that is lost."""
    trainer = pushing(hub_token=TOKEN)
    told = {"dataset_tags": "glue", "dataset": "GLUE MRPC", "dataset_args": "mrpc", "tasks": "text-classification"}
    trainer.create_model_card(language="en,de", license="mit", tags="news", **told)
    card = Path(trainer.args.output_dir, "README.md").read_text(encoding="utf-8")
    assert all(line in card for line in ("- news", "license: mit", "- glue", "tester/student", "- de"))
    assert "generated_from_trainer" not in card
    trainer.push_to_hub(license="apache-2.0")
    assert hub.files("tester/student")["README.md"].decode() == card
    assert "goes up as it is, without `license`" in caplog.text


def test_pushes_while_training_hold_the_student_alone(pushing, hub):
    """Prevents optimizer states and arguments that every save uploads."""
    trainer = pushing(push_to_hub=True, hub_token=TOKEN, save_strategy="steps", save_steps=1, max_steps=2)
    trainer.train()
    assert _main(hub) <= PUBLIC
    assert "model.safetensors" in _main(hub)


def test_a_hub_that_refuses_does_not_end_the_training(pushing, hub, caplog):
    """Prevents hours of training lost to a server that is down for a minute."""
    trainer = pushing(push_to_hub=True, hub_token=TOKEN, save_strategy="steps", save_steps=1, max_steps=2)
    hub.broken = "commit"
    trainer.train()
    assert trainer.state.global_step == 2
    assert "was not put on the Hub" in caplog.text
    checkpoints = [path.parent for path in Path(trainer.args.output_dir).rglob("checkpoint-2/model.safetensors")]
    assert len(checkpoints) == 2  # of both phases
    assert AutoModelForSequenceClassification.from_pretrained(checkpoints[-1]).num_labels == 3

"""Tests of code that travels with a checkpoint; test_publish.py loads it in another process."""

import importlib
import json

from hf_tinybert import registration
from hf_tinybert.hub.remote_code import AUTO_MAP, write_remote_code


def test_the_map_is_what_the_package_registers():
    """Prevents an Auto class that works with this package and not by remote code."""
    registered = {auto.__name__: model.__name__ for auto, model in registration._MODEL_OF_AUTO_CLASS.items()}
    assert {auto: name.split(".")[1] for auto, name in AUTO_MAP.items() if auto != "AutoConfig"} == registered
    for module, name in (value.split(".") for value in AUTO_MAP.values()):
        assert hasattr(importlib.import_module(f"hf_tinybert.models.{module}"), name)


def test_code_and_map_lie_beside_the_weights(student_folder):
    """Prevents a map to files that did not go along."""
    write_remote_code(student_folder)
    config = json.loads((student_folder / "config.json").read_text())
    for value in config["auto_map"].values():
        assert (student_folder / f"{value.split('.')[0]}.py").is_file()


def test_automodel_gives_a_head_that_has_no_auto_class(student_folder):
    """Prevents a multi-task model that loads as an encoder with its heads thrown away."""
    path = student_folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "architectures": ["TinyBertForMultiTask"]}))
    write_remote_code(student_folder)
    assert json.loads(path.read_text())["auto_map"]["AutoModel"].endswith("TinyBertForMultiTask")

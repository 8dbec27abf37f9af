"""A trained model folder in the form that another runtime reads, checked against the model."""

from hf_tinybert.export.export_settings import ExportSettings
from hf_tinybert.export.exporting import export_folder
from hf_tinybert.export.formats import ExportFormat

__all__ = ["ExportFormat", "ExportSettings", "export_folder"]

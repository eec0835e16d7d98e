"""What needs a project and a model or a format: prediction, exports, imports, agreement."""

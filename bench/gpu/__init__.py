"""What a GPU gives: `python -m bench.gpu`."""

"""A library: arrays -> numbers, sentences, pictures. Opens no file but the report that it writes."""

"""For every name of the exchange format: histories that have it, with their witnesses, and clean ones that look so."""

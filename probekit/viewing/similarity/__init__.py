"""How alike layers are: of one model, of two, before and after tuning; a heat map with floors and intervals."""

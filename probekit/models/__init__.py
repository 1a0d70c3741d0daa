"""Live models: found (locate), loaded, aligned with words, hooked, run and checked. Nothing else touches one."""

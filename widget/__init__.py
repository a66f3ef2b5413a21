"""Recovery Quiz: a short quiz on a store's page, answered with tips and matching products."""

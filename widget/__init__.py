"""Recovery Quiz: a short quiz embedded in a storefront that returns tips and matching products."""

"""SparseTT (Fu et al., IJCAI 2022)."""

"""SiamAttn: deformable Siamese attention networks (Yu, Xiong, Huang and Scott, CVPR 2020, arXiv 2004.06711)."""

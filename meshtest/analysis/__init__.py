"""What istiod accepts and the author did not mean: findings, each with its consequence in traffic and its remedy. Pure.

One module for each idea; `catalogue.py` lists the codes, `world.py` is what they look at, `analyze.py` asks each of them.
"""

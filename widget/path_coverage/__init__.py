"""Checks of every answer path: evaluate the rules of a pack on all answer sets at once, as classes, with numpy.

Answer sets for which all conditions have the same values give the same result, so each class of them is evaluated
once. Classes are built question by question; states that can no longer be distinguished (equal memory, equal scores)
are merged immediately, which keeps a quiz with billions of paths at a few hundred thousand states. Products and tips
do not affect each other, so each group is explored on its own.

Not for requests: these are evaluated one by one, by ``widget.domain.engine``. Tests compare the two.
"""

"""Every answer path, checked: the rules of a pack on all answer sets at once, as classes, with numpy.

Answer sets on which all conditions come out the same give the same result, so a class of them is looked at once.
Classes are built question by question; states that can no longer be told apart are merged at once (equal memory,
equal scores), which keeps a quiz of billions of paths at a few hundred thousand states. Products and tips never
look at each other, so each is gone through on its own.

Not for requests: these answer one by one, with ``widget.domain.engine``. Tests hold the two against each other.
"""

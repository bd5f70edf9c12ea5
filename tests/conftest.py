from hypothesis import settings

# The same examples in every run; "--hypothesis-profile explore" looks for new ones.
settings.register_profile("fixed", deadline=None, derandomize=True)
settings.register_profile("explore", deadline=None, max_examples=1000)
settings.load_profile("fixed")

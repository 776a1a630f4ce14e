"""PyTorch's own `distributed_test.py`, from the installed wheel, run on the backend under test.

The file decides when it's imported which tests a backend may run, by the backend's name. We let it
decide as if for gloo (`test_as_gloo.py`) and as if for MPI (`test_as_mpi.py`), then run the tests on ours.
"""

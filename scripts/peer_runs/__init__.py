"""seqbench's layers against those of other libraries, repetition by repetition in one run.

The driver (standard library only) and one process for each library and number of threads speak
the protocol of `seqbench repeat` (harness/server/protocol.h), one JSON object a line. A library's
spinning thread pool is thus alone with its own work. seqbench judges the samples of all of them.

    driver      __main__, options, environment, libraries, server_process, driver, measuring,
                cases, step_cases
    results     statistics, rows, step_rows, run_directory, report
    workers     worker, choice, reference, memory; pytorch, pytorch_steps, pytorch_text,
                pytorch_library; onnx, onnx_graph, onnx_attention, onnx_recurrent;
                harness/peers/ (C++, the harness's own server)
"""

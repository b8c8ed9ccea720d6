"""Scratch."""
import json, time, torch
from bench.gpu.cases import SPEED, make, stepper, weights
from bench.gpu.speed import per_second
torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
def one(case, label, captured=True, fmt=None, bf16=False, more={}):
    try:
        with torch.cuda.stream(torch.cuda.Stream()):
            s, shape = SPEED[case]
            run = make({**s, **more}, shape, captured=False)
            if fmt is not None:
                for net in (run.nets.g, run.nets.d): net.to(memory_format=fmt)
            if bf16:
                r = run.round
                def rr():
                    with torch.autocast("cuda", torch.bfloat16): r()
                run.round = rr
            if captured:
                from trainables.cuda_graphs import cuda_recorder
                run.capture(cuda_recorder(run.rng))
            t = time.perf_counter()
            v = per_second(stepper(run), .7)
            print(json.dumps({"case": case, "variant": label, "per_s": round(v, 1), "reason": run.rounds.reason if run.rounds else "", "took": round(time.perf_counter() - t, 1)}), flush=True)
    except Exception as e:
        print(json.dumps({"case": case, "variant": label, "error": f"{type(e).__name__}: {str(e)[:200]}"}), flush=True)
def prof(case):
    with torch.cuda.stream(torch.cuda.Stream()):
        s, shape = SPEED[case]
        run = make(s, shape, captured=False)
        for _ in range(3): run.round()
        torch.cuda.synchronize()
        from torch.profiler import profile, ProfilerActivity
        with profile(activities=[ProfilerActivity.CUDA, ProfilerActivity.CPU], record_shapes=True) as p:
            for _ in range(2): run.round()
            torch.cuda.synchronize()
        print(p.key_averages().table(sort_by="self_cuda_time_total", row_limit=10, max_name_column_width=70))
        rows = sorted(p.key_averages(group_by_input_shape=True), key=lambda e: -e.self_device_time_total)[:8]
        for r in rows: print(case, r.key[:60], str(r.input_shapes)[:140], r.count, round(r.self_device_time_total / 1000, 2), "ms")
cl, co = torch.channels_last, torch.contiguous_format
for case in ("r3 32, r1, r2", "resnet 32, width 128", "dcgan 32, r1"):
    one(case, "captured"); one(case, "contiguous", fmt=co)
    torch.backends.cudnn.benchmark = True
    one(case, "benchmark"); one(case, "benchmark, contiguous", fmt=co); one(case, "benchmark, bf16", bf16=True); one(case, "benchmark, contiguous, bf16", fmt=co, bf16=True)
    torch.backends.cudnn.benchmark = False
    one(case, "bf16", bf16=True)
for case in ("r3 32, r1, r2", "resnet 32, width 128"): prof(case)

using System.Diagnostics;
using System.Globalization;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Worker.Tests;

/// <summary>What a worker that was taken over uses up: its own, and none of the host manager's.</summary>
public sealed class BoundsTests
{
    private const string OutOfMemory = "ended 137";

    [Fact]
    public async Task A_worker_that_grows_is_stopped_far_below_a_gigabyte()
    {
        await using var worker = await ProbedWorker.StartAsync();
        var answer = await worker.TryAsync("memory 1073741824");
        // Its control group ends it, or its limit of data refuses.
        Assert.True(answer == OutOfMemory || (int.TryParse(answer, out var mebibytes) && mebibytes is > 16 and < 192), answer);
    }

    [Fact]
    public async Task The_limit_of_data_stops_a_worker_where_no_control_group_does()
    {
        await using var worker = await RawWorker.StartAsync("user=1879179263", "data=134217728");
        Assert.InRange(int.Parse(await worker.TryAsync("memory 1073741824"), CultureInfo.InvariantCulture), 16, 128);
    }

    [Fact]
    public async Task The_collected_heap_has_an_end_that_the_worker_survives()
    {
        await using var worker = await ProbedWorker.StartAsync();
        Assert.InRange(int.Parse(await worker.TryAsync("managed-memory"), CultureInfo.InvariantCulture), 24, 32);
        Assert.Equal("0", await worker.TryAsync("work"));
    }

    [Fact]
    public async Task A_thousand_threads_end_at_the_bound_of_threads()
    {
        await using var worker = await ProbedWorker.StartAsync();
        var answer = await worker.TryAsync("threads 1000");
        Assert.True(int.TryParse(answer, out var made) && made < ProbedWorker.Options.Tasks, answer);
        Assert.Equal("1", await worker.TryAsync("id"));
    }

    [Fact]
    public async Task Descriptors_end_at_their_bound()
    {
        await using var worker = await ProbedWorker.StartAsync();
        var answer = (await worker.TryAsync("descriptors")).Split(' ', 2);
        Assert.InRange(int.Parse(answer[0], CultureInfo.InvariantCulture), 1, ProbedWorker.Options.Descriptors);
        Assert.Equal($"errno {Errno.EMFILE}", answer[1]);
    }

    [Fact]
    public async Task A_worker_that_writes_without_end_fills_its_own_socket_and_no_more()
    {
        using var process = Process.GetCurrentProcess();
        await using var worker = await ProbedWorker.StartAsync();
        var before = Environment.WorkingSet;
        worker.Tell("write 3");
        // It is not read meanwhile: what the kernel keeps of it is bounded, and its other end waits for nothing.
        var deadline = Stopwatch.StartNew();
        while (Readable(worker.Process.Control) == 0 && deadline.Elapsed < TimeSpan.FromSeconds(30))
        {
            await Task.Delay(5);
        }

        await Task.Delay(300);
        var (messages, text) = Drain(worker.Process.Control);
        Assert.InRange(messages, 10, 4096);
        Assert.True(Environment.WorkingSet - before < 64 << 20);
        // The last is the answer, for which there was room again or not.
        Assert.True(text.Length == 0 || text.EndsWith($"errno {Errno.EAGAIN}", StringComparison.Ordinal), text);
    }

    [Fact]
    public async Task A_spinning_worker_has_one_processor_at_most_and_is_killed()
    {
        var options = ProbedWorker.Options with { CpuPercent = 20 };
        await using var worker = await ProbedWorker.StartAsync(options);
        worker.Tell("spin");
        var before = Used(worker);
        var watch = Stopwatch.StartNew();
        // Its share is that of this time.
        await Task.Delay(1500);
        var share = (Used(worker) - before) / watch.Elapsed.TotalSeconds;
        // Of one processor; a host without the controller says so.
        Assert.True(share < 0.45 || !worker.Process.Confinement.Holds(WorkerMeasure.ProcessorTime), $"{share}");
        watch.Restart();
        worker.Process.Kill();
        Assert.Equal(128 + Abi.SIGKILL, await worker.Process.Exited.WaitAsync(TimeSpan.FromSeconds(10)));
    }

    [Theory]
    [InlineData("abort")]
    [InlineData("fault")]
    public async Task A_worker_that_breaks_leaves_no_core(string probe)
    {
        // As root, which may write a core to where it is.
        await using var worker = await RawWorker.StartAsync(["/usr/bin/prlimit", "--core=unlimited:unlimited", WorkerPrograms.Probe], []);
        await worker.TryAsync(probe);
        Assert.Equal(RawWorker.Aborted, worker.WaitStatus());
    }

    private static double Used(ProbedWorker worker)
    {
        using var process = Process.GetProcessById(worker.Process.ProcessId);
        return process.TotalProcessorTime.TotalSeconds;
    }

    private static unsafe int Readable(SafeFd socket)
    {
        var entry = new PollFd { Fd = (int)socket.DangerousGetHandle(), Events = Abi.POLLIN };
        return DescriptorCalls.Poll(&entry, 1, 0);
    }

    private static unsafe (int Messages, string Last) Drain(SafeFd socket)
    {
        var buffer = new byte[4096];
        var (count, last) = (0, "");
        while (true)
        {
            nint length;
            fixed (byte* start = buffer)
            {
                length = SocketCalls.Recv(socket, start, (nuint)buffer.Length, Abi.MSG_DONTWAIT);
            }

            if (length <= 0)
            {
                return (count, last);
            }

            last = length < 100 ? System.Text.Encoding.UTF8.GetString(buffer, 0, (int)length) : "";
            count++;
        }
    }
}

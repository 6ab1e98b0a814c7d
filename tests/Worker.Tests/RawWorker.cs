using System.Text;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;

namespace ChannelSdk.Worker.Tests;

/// <summary>A worker's program without what the host manager does for it: no namespaces and no control groups, only the arguments of the test.</summary>
internal sealed class RawWorker : IAsyncDisposable
{
    /// <summary>The status of a process that SIGABRT has ended, without the bit of a dump (0x80), which one that went to a pipe's handler has too.</summary>
    public const int Aborted = 6;

    private const int Room = 4096;
    private const int AnswerMilliseconds = 60_000;

    private readonly SafeFd _control;
    private readonly int _pid;
    private int? _status;

    private RawWorker(int pid, SafeFd control) => (_pid, _control) = (pid, control);

    public int ProcessId => _pid;

    /// <summary>What it has told of its confinement.</summary>
    public ConfinementReport Report { get; private set; } = new();

    /// <summary>The errno of a program that takes one measure.</summary>
    public int? Error { get; private set; }

    public static Task<RawWorker> StartAsync(params string[] arguments) => StartAsync([WorkerPrograms.Probe], arguments);

    /// <summary>As <see cref="StartAsync(string[])"/>, by other programs before it.</summary>
    public static async Task<RawWorker> StartAsync(string[] command, string[] arguments, NamespaceKinds namespaces = NamespaceKinds.None)
    {
        var (own, other) = Descriptor.SocketPair(Abi.SOCK_SEQPACKET, new ForeignCloser())!.Value;
        string[] all = [.. command, .. arguments];
        var request = new SpawnRequest(Encoding.UTF8.GetBytes(command[0]), [.. all.Select(Encoding.UTF8.GetBytes)], []) { Kept = [other], NewSession = true };
        Assert.Equal(0, ThreadNamespaces.Start(request, namespaces, out var pid, out _));
        other.Dispose();
        var worker = new RawWorker(pid, own);
        var bytes = await worker.ReceiveAsync();
        if (bytes is not null && ConfinementReport.Read(bytes) is { } report)
        {
            worker.Report = report;
        }

        worker.Error = bytes is [var error] ? error : null;

        return worker;
    }

    public async Task<string> TryAsync(string probe)
    {
        Send(probe);
        return await ReceiveAsync() is { } bytes ? Encoding.UTF8.GetString(bytes) : "ended";
    }

    /// <summary>Ends its control socket, and waits for its end.</summary>
    public void End()
    {
        _control.Dispose();
        WaitStatus();
    }

    /// <summary>Waits for its end; the status of waitpid(2).</summary>
    public int WaitStatus()
    {
        if (_status is null)
        {
            Assert.Equal(_pid, ProcessCalls.WaitPid(_pid, out var status, 0));
            _status = status;
        }

        return _status.Value;
    }

    public ValueTask DisposeAsync()
    {
        _control.Dispose();
        if (_status is null)
        {
            _ = ProcessCalls.Kill(_pid, Abi.SIGKILL);
            WaitStatus();
        }

        return ValueTask.CompletedTask;
    }

    private unsafe void Send(string probe)
    {
        fixed (byte* start = Encoding.UTF8.GetBytes(probe))
        {
            _ = SocketCalls.Send(_control, start, (nuint)Encoding.UTF8.GetByteCount(probe), Abi.MSG_NOSIGNAL);
        }
    }

    private Task<byte[]?> ReceiveAsync() => Task.Factory.StartNew(Receive, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    private unsafe byte[]? Receive()
    {
        var entry = new PollFd { Fd = (int)_control.DangerousGetHandle(), Events = Abi.POLLIN };
        Assert.Equal(1, DescriptorCalls.Poll(&entry, 1, AnswerMilliseconds));
        var buffer = new byte[Room];
        fixed (byte* start = buffer)
        {
            var count = (int)SocketCalls.Recv(_control, start, Room, Abi.MSG_DONTWAIT);
            return count > 0 ? buffer[..count] : null;
        }
    }
}

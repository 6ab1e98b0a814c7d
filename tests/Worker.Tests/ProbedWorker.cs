using ChannelSdk.Linux.Descriptors;
using System.Text;
using ChannelSdk.Host.Workers;
using ChannelSdk.Linux.Native;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Worker.Tests;

/// <summary>A worker, started as any, whose program tries what it is told.</summary>
internal sealed class ProbedWorker : IAsyncDisposable
{
    private const int Room = 4096;
    private const int AnswerMilliseconds = 60_000;

    private ProbedWorker(WorkerProcess process) => Process = process;

    public WorkerProcess Process { get; }

    public static WorkerOptions Options => new() { Program = WorkerPrograms.Probe };

    public static async Task<ProbedWorker> StartAsync(WorkerOptions? options = null, params SafeFileHandle[] descriptors) =>
        new(await WorkerProcess.StartAsync("vm1.example.org", options ?? Options, new ForeignCloser(), descriptors));

    /// <summary>What came of a probe; "ended N" if the worker did, with that exit code.</summary>
    public async Task<string> TryAsync(string probe)
    {
        Tell(probe);
        var answer = await Task.Factory.StartNew(Receive, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        return answer ?? $"ended {await Process.Exited.WaitAsync(TimeSpan.FromMilliseconds(AnswerMilliseconds))}";
    }

    public unsafe void Tell(string probe)
    {
        var bytes = Encoding.UTF8.GetBytes(probe);
        fixed (byte* start = bytes)
        {
            Assert.Equal(bytes.Length, SocketCalls.Send(Process.Control, start, (nuint)bytes.Length, Abi.MSG_NOSIGNAL));
        }
    }

    public ValueTask DisposeAsync() => Process.DisposeAsync();

    private unsafe string? Receive()
    {
        var entry = new PollFd { Fd = (int)Process.Control.DangerousGetHandle(), Events = Abi.POLLIN };
        Assert.Equal(1, DescriptorCalls.Poll(&entry, 1, AnswerMilliseconds));
        var buffer = stackalloc byte[Room];
        var count = (int)SocketCalls.Recv(Process.Control, buffer, Room, Abi.MSG_DONTWAIT);
        return count > 0 ? Encoding.UTF8.GetString(buffer, count) : null;
    }
}

using System.Globalization;
using ChannelSdk.Linux.Descriptors;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Host.Workers;

/// <summary>
/// The process of one instance in which the bytes of its guest are parsed, from its start to its end. It is as hostile as its guest. It ends
/// when its control socket does, also when this process was killed.
/// </summary>
internal sealed class WorkerProcess : IAsyncDisposable
{
    private const int NameLength = 64;

    private static readonly TimeSpan s_grace = TimeSpan.FromMilliseconds(500);
    private static readonly TimeSpan s_killed = TimeSpan.FromSeconds(5);
    private static int s_count;

    private readonly Lock _gate = new();
    private readonly SafeFileHandle? _handle;
    private readonly WorkerSpawn _spawn;
    private readonly ResourceGroup _group;
    private int _isDisposed;

    private WorkerProcess(int pid, SafeFd control, WorkerSpawn spawn, ResourceGroup group)
    {
        (ProcessId, Control, _spawn, _group) = (pid, control, spawn, group);
        // Before the end is waited for, after which the number may be another's.
        _handle = ProcessHandle.Open(pid);
        Exited = ProcessEnds.Of(pid);
        Confinement = new WorkerConfinement(null, []);
    }

    /// <summary>Its number, in the host's namespace of processes.</summary>
    public int ProcessId { get; }

    /// <summary>The socket (SOCK_SEQPACKET) to it. What comes from there is hostile.</summary>
    public SafeFd Control { get; }

    /// <summary>What holds for it.</summary>
    public WorkerConfinement Confinement { get; private set; }

    /// <summary>Ends with it, and gives its exit code; 128 + a signal's number if it was killed.</summary>
    public Task<int> Exited { get; }

    /// <summary>Periods of 100 ms in which it wanted more time of processors than it may have.</summary>
    public long Throttles => _group.ThrottledPeriods;

    /// <summary>Folders of its control groups.</summary>
    public IReadOnlyList<string> ControlGroups => _group.Paths;

    /// <summary>Starts one, on a thread of its own, and waits until it has told that it is confined.</summary>
    /// <param name="instance">The instance's name.</param>
    /// <param name="options">How.</param>
    /// <param name="closer">Closes the control socket, and open files that come through it.</param>
    /// <param name="descriptors">What it is given open besides the control socket, which it has as 3: the first as 4, each further one by one higher.</param>
    /// <param name="needs">What its endpoint takes besides.</param>
    /// <exception cref="ChannelException">
    /// <see cref="ChannelError.BadConfiguration"/>: there is no program, or it cannot be started, or something that is required does not hold.
    /// <see cref="ChannelError.ResourceExhausted"/>: all users are taken, or no descriptor is left. <see cref="ChannelError.TransportFailed"/>: it ended at once, or told nothing in time.
    /// </exception>
    public static Task<WorkerProcess> StartAsync(string instance, WorkerOptions options, ForeignCloser closer, IReadOnlyList<SafeFileHandle> descriptors, WorkerNeeds needs = default)
    {
        options.Validate();
        return Task.Factory.StartNew(() => Start(instance, options, closer, descriptors, needs), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
    }

    /// <summary>Kills it and all that it has made. It does not wait; <see cref="Exited"/> tells the end.</summary>
    public void Kill()
    {
        lock (_gate)
        {
            if (_handle is { IsClosed: false })
            {
                _ = ProcessHandle.Signal(_handle, Abi.SIGKILL);
            }
        }

        _group.Kill();
    }

    /// <summary>Ends the control socket, by which it ends, and kills it if it does not.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) != 0)
        {
            return;
        }

        Control.Dispose();
        await ((Task)Exited).WaitAsync(s_grace).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!Exited.IsCompleted)
        {
            Kill();
            await ((Task)Exited).WaitAsync(s_killed).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        lock (_gate)
        {
            _handle?.Dispose();
        }

        // It waits for the kernel, which may take a moment.
        await Task.Factory.StartNew(_group.End, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default).ConfigureAwait(false);
        // Last: until then the user is the worker's.
        _spawn.Dispose();
    }

    private static WorkerProcess Start(string instance, WorkerOptions options, ForeignCloser closer, IReadOnlyList<SafeFileHandle> descriptors, WorkerNeeds needs)
    {
        var number = Interlocked.Increment(ref s_count);
        var spawn = new WorkerSpawn(options, needs, (uint)number);
        var limits = new ResourceLimits(options.MemoryBytes + needs.SharedMemory, options.Tasks, options.CpuPercent);
        var group = ResourceGroup.Create(string.Create(CultureInfo.InvariantCulture, $"worker-{number}-{(instance.Length > NameLength ? instance[..NameLength] : instance)}"), limits);
        WorkerProcess? worker = null;
        try
        {
            var (own, other) = Descriptor.SocketPair(Abi.SOCK_SEQPACKET, closer) ?? throw Exhausted(Errno.Last);
            using (other)
            {
                if (spawn.Start(group, [other, .. descriptors], out var pid, out var hasJoined) is not 0 and var error)
                {
                    own.Dispose();
                    throw error is Errno.EMFILE or Errno.ENFILE or Errno.ENOMEM or Errno.EAGAIN ? Exhausted(error)
                        : new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the worker of {instance} cannot be started: {Errno.Describe(error)}");
                }

                worker = new WorkerProcess(pid, own, spawn, group);
                other.Dispose();
                var report = worker.Receive(instance, options.StartTime);
                worker.Confinement = WorkerConfinement.Of(spawn.Lease?.User, spawn.Gaps, report, hasJoined || group.Paths.Count == 0 ? group.Missing : limits.Controllers);
            }

            if (worker.Confinement.Gaps.FirstOrDefault(gap => options.Required.Contains(gap.Measure)) is { } gap)
            {
                throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused, $"the worker of {instance} is not confined as it must be: {gap.Why}");
            }

            return worker;
        }
        catch
        {
            if (worker is null)
            {
                group.End();
                spawn.Dispose();
            }
            else
            {
                worker.Kill();
                // Nothing of it waits for anything but the killed process.
                worker.DisposeAsync().AsTask().GetAwaiter().GetResult();
            }

            throw;
        }
    }

    private unsafe ConfinementReport Receive(string instance, TimeSpan within)
    {
        var entry = new PollFd { Fd = (int)Control.DangerousGetHandle(), Events = Abi.POLLIN };
        var begin = TimeProvider.System.GetTimestamp();
        int found;
        do
        {
            var left = within - TimeProvider.System.GetElapsedTime(begin);
            found = DescriptorCalls.Poll(&entry, 1, Math.Max(0, (int)left.TotalMilliseconds));
        }
        while (found < 0 && Errno.Last == Errno.EINTR);
        var message = stackalloc byte[ConfinementReport.Size + 1];
        var count = found == 1 ? SocketCalls.Recv(Control, message, ConfinementReport.Size + 1, Abi.MSG_DONTWAIT) : 0;
        if (count > 0 && ConfinementReport.Read(new ReadOnlySpan<byte>(message, (int)count)) is { } report)
        {
            return report;
        }

        var why = found == 0 ? string.Create(CultureInfo.InvariantCulture, $"it told nothing within {within.TotalSeconds} s")
            : count > 0 ? "what it told is no report" : Exited.Wait(s_grace) ? $"it ended with code {Exited.Result}" : "it closed its control socket";
        throw new ChannelException(ChannelError.TransportFailed, ErrorClass.Retry, $"the worker of {instance} did not begin: {why}");
    }

    private static ChannelException Exhausted(int error) =>
        new(ChannelError.ResourceExhausted, ErrorClass.Retry, $"a worker cannot be started: {Errno.Describe(error)}; raise the limits of this program's descriptors and processes, or run fewer instances");
}

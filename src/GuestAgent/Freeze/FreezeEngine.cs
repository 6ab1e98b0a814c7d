using ChannelSdk.GuestAgent.Platform.Mounts;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Services;

namespace ChannelSdk.GuestAgent.Freeze;

/// <summary>
/// Freezes file systems one after the other and thaws them in reverse. What was opened to freeze stays open, so that a
/// thaw needs no path, no memory worth mentioning and no file.
/// </summary>
/// <param name="platform">The kernel.</param>
internal sealed class FreezeEngine(IFreezePlatform platform)
{
    // Storage that takes longer goes on by itself; the other file systems must not wait for it.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_impatience = TimeSpan.FromMilliseconds(100);
    private readonly Lock _lock = new();
    private readonly Stack<(MountEntry Mount, int Handle)> _frozen = [];
    private readonly Dictionary<string, DetachableWork> _forced = new(StringComparer.Ordinal);
    private volatile string _step = "";
    private bool _isEnded;

    /// <summary>The current step, for a person who asks why it does not end.</summary>
    public string Step
    {
        get => _step;
        set => _step = value;
    }

    /// <summary>Starts again after <see cref="End"/>.</summary>
    public void Begin()
    {
        lock (_lock)
        {
            _isEnded = false;
        }
    }

    /// <summary>Freezes one file system; what is frozen after an <see cref="End"/> from another thread is thawed at once.</summary>
    public MountResult Freeze(FreezeTarget target)
    {
        Step = $"the open of {target.Main.Path}";
        var error = Open(target, out var mount, out var handle);
        if (error != 0)
        {
            return error == Errno.ENOENT
                ? FreezePlan.Result(target.Main, MountOutcome.Skipped, "not reached by its name, so not frozen: another mount hides it, or it has gone")
                : FreezePlan.Result(target.Main, MountOutcome.Failed, $"none of its {target.Mounts.Count} mount points can be opened: {Reason(error)}");
        }

        if (IsEnded)
        {
            platform.Close(handle);
            return FreezePlan.Result(target.Main, MountOutcome.Failed, "opened too late");
        }

        Step = $"the freeze of {target.Main.Path}";
        error = platform.Freeze(handle);
        if (error == 0)
        {
            lock (_lock)
            {
                if (!_isEnded)
                {
                    _frozen.Push((mount, handle));
                    return FreezePlan.Result(target.Main, MountOutcome.Frozen);
                }
            }

            platform.Thaw(handle);
        }

        platform.Close(handle);
        return error switch
        {
            0 => FreezePlan.Result(target.Main, MountOutcome.Failed, "frozen too late, and thawed again"),
            Errno.EBUSY => FreezePlan.Result(target.Main, MountOutcome.AlreadyFrozen, "somebody else holds it frozen and may thaw it at any time"),
            Errno.EOPNOTSUPP => FreezePlan.Result(target.Main, MountOutcome.Skipped, $"{target.Main.Type} cannot be frozen"),
            _ => FreezePlan.Result(target.Main, MountOutcome.Failed, Reason(error)),
        };
    }

    /// <summary>Thaws all that is frozen and prevents freezes until <see cref="Begin"/>. Safe from any thread, at any time.</summary>
    /// <returns>What this call thawed, in that order.</returns>
    public IReadOnlyList<MountResult> End()
    {
        var results = new List<MountResult>();
        var patience = s_patience;
        lock (_lock)
        {
            _isEnded = true;
            while (_frozen.TryPop(out var next))
            {
                results.Add(ThawWithin(next.Mount, next.Handle, ref patience));
            }
        }

        return results;
    }

    /// <summary>Thaws a file system, also if another program froze it. A file system that does not answer is skipped.</summary>
    public MountResult Force(FreezeTarget target)
    {
        lock (_forced)
        {
            if (_forced.TryGetValue(target.Main.Device, out var last) && last.IsAway)
            {
                return FreezePlan.Result(target.Main, MountOutcome.Failed, "it does not answer; an earlier try still waits for it");
            }

            var result = new MountResult();
            var work = DetachableWork.Start(
                () =>
                {
                    var error = Open(target, out _, out var handle);
                    result = error == 0 ? Thaw(target.Main, handle) : FreezePlan.Result(target.Main, MountOutcome.Failed, Reason(error));
                },
                static () => { });
            _forced[target.Main.Device] = work;
            return work.Wait(static () => true, s_patience) ? result
                : FreezePlan.Result(target.Main, MountOutcome.Failed, "it does not answer; it is thawed as soon as it does");
        }
    }

    private bool IsEnded
    {
        get
        {
            lock (_lock)
            {
                return _isEnded;
            }
        }
    }

    private MountResult ThawWithin(MountEntry mount, int handle, ref TimeSpan patience)
    {
        var result = new MountResult();
        DetachableWork work;
        try
        {
            work = DetachableWork.Start(() => result = Thaw(mount, handle), static () => { });
        }
        catch (OutOfMemoryException)
        {
            // No thread can be started: then on this one.
            return Thaw(mount, handle);
        }

        if (work.Wait(static () => true, patience))
        {
            return result;
        }

        patience = s_impatience;
        return FreezePlan.Result(mount, MountOutcome.Failed, "its storage does not answer; it is thawed as soon as it does");
    }

    private MountResult Thaw(MountEntry mount, int handle)
    {
        var error = platform.Thaw(handle);
        platform.Close(handle);
        return error switch
        {
            0 => FreezePlan.Result(mount, MountOutcome.Thawed),
            Errno.EINVAL => FreezePlan.Result(mount, MountOutcome.NotFrozen, "it was not frozen any more"),
            Errno.EOPNOTSUPP => FreezePlan.Result(mount, MountOutcome.Skipped, $"{mount.Type} cannot be frozen"),
            _ => FreezePlan.Result(mount, MountOutcome.Failed, Reason(error)),
        };
    }

    private int Open(FreezeTarget target, out MountEntry mount, out int handle)
    {
        var error = 0;
        foreach (var candidate in target.Mounts.Take(16))
        {
            error = platform.Open(candidate, out handle);
            if (error == 0)
            {
                mount = candidate;
                return 0;
            }
        }

        (mount, handle) = (target.Main, -1);
        return error;
    }

    private static string Reason(int error) => error switch
    {
        Errno.EPERM => "not permitted: the agent lacks CAP_SYS_ADMIN",
        Errno.ENOENT => "the mount point has gone, or another mount hides it",
        13 => "the agent may not open it",
        5 => "the storage reports an error (EIO)",
        _ => $"the kernel reports error {error}",
    };
}

using System.Collections.Concurrent;
using System.Globalization;
using ChannelSdk.GuestAgent.Freeze;
using ChannelSdk.GuestAgent.Platform.Mounts;

namespace ChannelSdk.GuestAgent.Tests;

/// <summary>A kernel whose file systems are lines of mountinfo, and which keeps its rules: no freeze twice, no thaw of what is not frozen.</summary>
internal sealed class FakeFreezePlatform : IFreezePlatform
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, MountEntry> _handles = [];
    private int _nextHandle = 3;

    public string Mounts { get; set; } = """
        20 1 254:0 / / rw - ext4 /dev/vda rw
        21 20 0:20 / /tmp rw - tmpfs tmpfs rw
        22 20 254:16 / /data rw - xfs /dev/vdb rw
        """;

    /// <summary>Device numbers of frozen file systems.</summary>
    public HashSet<string> Frozen { get; } = [];

    public ConcurrentQueue<string> Done { get; } = [];

    /// <summary>errno of a freeze, by mount point.</summary>
    public Dictionary<string, int> FreezeErrors { get; } = [];

    /// <summary>errno of a trim, by mount point.</summary>
    public Dictionary<string, int> TrimErrors { get; } = [];

    /// <summary>Mount points that another mount hides.</summary>
    public HashSet<string> Hidden { get; } = [];

    public Dictionary<string, string[]> Backing { get; } = [];

    /// <summary>Called within a freeze, before it takes hold.</summary>
    public Action<MountEntry> OnFreeze { get; set; } = static _ => { };

    /// <summary>Called within an open, a read of the mounts and a thaw.</summary>
    public Action<MountEntry> OnOpen { get; set; } = static _ => { };

    public Action OnReadMounts { get; set; } = static () => { };

    public Action<MountEntry> OnThaw { get; set; } = static _ => { };

    public bool IsMemoryLocked { get; private set; }

    public int OpenHandles => _handles.Count;

    public MountTable ReadMounts()
    {
        OnReadMounts();
        return MountTable.Parse(Mounts);
    }

    public IReadOnlyList<string> BackingFiles(MountEntry mount) => Backing.GetValueOrDefault(mount.Path, []);

    public int Open(MountEntry mount, out int handle)
    {
        OnOpen(mount);
        lock (_lock)
        {
            handle = Hidden.Contains(mount.Path) ? -1 : _nextHandle++;
            if (handle < 0)
            {
                return 2;
            }

            _handles.Add(handle, mount);
            return 0;
        }
    }

    public int Freeze(int handle)
    {
        MountEntry mount;
        lock (_lock)
        {
            mount = _handles[handle];
        }

        OnFreeze(mount);
        lock (_lock)
        {
            if (FreezeErrors.TryGetValue(mount.Path, out var error))
            {
                return error;
            }

            if (!Frozen.Add(mount.Device))
            {
                return 16;
            }

            Done.Enqueue("freeze " + mount.Path);
            return 0;
        }
    }

    public int Thaw(int handle)
    {
        MountEntry mount;
        lock (_lock)
        {
            mount = _handles[handle];
        }

        OnThaw(mount);
        lock (_lock)
        {
            if (!Frozen.Remove(mount.Device))
            {
                return 22;
            }

            Done.Enqueue(string.Create(CultureInfo.InvariantCulture, $"thaw {mount.Path}"));
            return 0;
        }
    }

    public int Trim(int handle, ulong minimum, out ulong trimmed)
    {
        lock (_lock)
        {
            var error = TrimErrors.GetValueOrDefault(_handles[handle].Path);
            trimmed = error == 0 ? 4096UL : 0;
            return error;
        }
    }

    public void Close(int handle)
    {
        lock (_lock)
        {
            Assert.True(_handles.Remove(handle));
        }
    }

    public int LockMemory()
    {
        IsMemoryLocked = true;
        return 0;
    }

    public void UnlockMemory() => IsMemoryLocked = false;
}

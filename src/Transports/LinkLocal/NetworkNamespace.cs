using ChannelSdk.Linux.Files;
using ChannelSdk.Linux.Native;
using ChannelSdk.Linux.Processes;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// A named network namespace (network_namespaces(7), in the place where ip-netns(8) keeps them). A namespace belongs to a
/// thread, so everything in it runs on a thread made for it.
/// </summary>
internal sealed class NetworkNamespace(string name)
{
    private const string Folder = "/run/netns";
    private const nuint BindMount = 0x1000;
    private const nuint SharedMount = 0x100000 | 0x4000;
    private const int DetachUnmount = 2;

    internal string Path => $"{Folder}/{name}";

    /// <summary>Names of all namespaces that begin with a prefix.</summary>
    internal static IEnumerable<string> Find(string prefix) => Directory.Exists(Folder)
        ? Directory.EnumerateFiles(Folder, prefix + "*").Select(path => System.IO.Path.GetFileName(path))
        : [];

    /// <summary>Makes it unless it is there. A file that a crash left without a namespace is used.</summary>
    internal void Ensure()
    {
        if (IsThere())
        {
            return;
        }

        Directory.CreateDirectory(Folder);
        // A mount that ip-netns(8) and other processes' mount namespaces see, too.
        unsafe
        {
            if (SystemCalls.Mount("", Folder, "none", SharedMount, null) < 0 && (SystemCalls.Mount(Folder, Folder, "none", BindMount | 0x4000, null) < 0
                || SystemCalls.Mount("", Folder, "none", SharedMount, null) < 0))
            {
                throw Failed("make the folder for", Errno.Last);
            }
        }

        using (File.Open(Path, FileMode.OpenOrCreate))
        {
        }

        ThreadNamespaces.OnThread(() =>
        {
            unsafe
            {
                if (ThreadNamespaces.Enter(NamespaceKinds.Network) != 0 || SystemCalls.Mount("/proc/thread-self/ns/net", Path, "none", BindMount, null) < 0)
                {
                    throw Failed("make", Errno.Last);
                }
            }

            return true;
        });
    }

    /// <summary>Whether it is there.</summary>
    internal bool IsThere()
    {
        // A namespace's file lies on nsfs; a left-over is an empty regular file on the folder's own file system.
        return FileIdentity.Of(Path) is { } file && FileIdentity.Of(Folder) is { } folder
            && (file.DeviceMajor, file.DeviceMinor) != (folder.DeviceMajor, folder.DeviceMinor);
    }

    /// <summary>Removes it with everything in it, as soon as no process is in it.</summary>
    internal void Remove()
    {
        if (IsThere() && SystemCalls.Unmount(Path, DetachUnmount) < 0)
        {
            throw Failed("remove", Errno.Last);
        }

        File.Delete(Path);
    }

    /// <summary>Runs something inside, on its own thread. A process that it starts and a socket that it makes stay inside.</summary>
    internal T Run<T>(Func<T> inside)
    {
        var number = FileCalls.Open(Path, Abi.O_CLOEXEC, 0);
        if (number < 0)
        {
            throw Failed("enter", Errno.Last);
        }

        using var fd = new SafeFd(number);
        return ThreadNamespaces.OnThread(() => SystemCalls.SetNs(fd, (int)NamespaceKinds.Network) < 0 ? throw Failed("enter", Errno.Last) : inside());
    }

    private ChannelException Failed(string action, int errno) => EndpointFault.ToException(errno, action, $"network namespace {name}",
        errno == Errno.EPERM ? "it takes root, or CAP_SYS_ADMIN and CAP_NET_ADMIN" : null);
}

using System.Net;
using ChannelSdk.Linux.Native;
using ChannelSdk.Protocol.Errors;
using ChannelSdk.Transports.Abstractions;
using Microsoft.Win32.SafeHandles;

namespace ChannelSdk.Transports.LinkLocal;

/// <summary>
/// The link of one instance to its host: a network namespace that holds one tap and nothing else, with the addresses of
/// <see cref="LinkLocalAddresses"/>. It forwards nothing and has no way out, so instances with the same addresses stand side
/// by side. Sockets are made inside and served from outside. It outlives this process; <see cref="Remove"/> ends it.
/// </summary>
public sealed class LinkLocalNetwork
{
    private const string Prefix = "channelsdk-";
    // NAME_MAX of limits.h, for the namespace's file.
    private static readonly int s_maxName = 255 - Prefix.Length;
    private readonly NetworkNamespace _namespace;

    private LinkLocalNetwork(string name)
    {
        // A network that exists under another name can still be removed.
        if (!InstanceName.Is(name) && !List().Contains(name))
        {
            InstanceName.Check(name);
        }

        if (name.Length > s_maxName)
        {
            throw new ChannelException(ChannelError.BadConfiguration, ErrorClass.Refused,
                $"'{EndpointUri.Printable(name)}' has {name.Length} characters; an instance with a link-local network has at most {s_maxName}, as its name becomes the name of a file");
        }

        Name = name;
        _namespace = new NetworkNamespace(Prefix + name);
    }

    /// <summary>The instance's name.</summary>
    public string Name { get; }

    /// <summary>The namespace's file, for setns(2), nsenter(1) and ip-netns(8).</summary>
    public string NamespacePath => _namespace.Path;

    /// <summary>Name of the tap inside the namespace.</summary>
    public static string TapName => TapDevice.Name;

    /// <summary>Whether it is set up.</summary>
    public bool Exists => _namespace.IsThere();

    /// <summary>Names of all that are set up, by whichever process; what a crash left is among them.</summary>
    public static IReadOnlyList<string> List() =>
        [.. NetworkNamespace.Find(Prefix).Select(name => name[Prefix.Length..]).Order(StringComparer.Ordinal)];

    /// <summary>The network of an instance, set up or not.</summary>
    /// <exception cref="ChannelException"><see cref="ChannelError.BadConfiguration"/>: an instance may not have the name.</exception>
    public static LinkLocalNetwork Of(string name) => new(name);

    /// <summary>Sets it up; existing parts are kept, missing ones are added. Takes root.</summary>
    /// <exception cref="ChannelException">Not allowed, or the kernel lacks something; the text says what.</exception>
    public void SetUp()
    {
        _namespace.Ensure();
        Run(() =>
        {
            TapDevice.Ensure();
            return true;
        });
    }

    /// <summary>Removes it; nothing happens if it is not there.</summary>
    public void Remove() => _namespace.Remove();

    /// <summary>Opens the tap, for a QEMU that is given it open (<c>-netdev tap,fd=N</c>) and needs neither the namespace nor a right to it.</summary>
    /// <exception cref="ChannelException">It is not set up, or another program has the tap.</exception>
    public SafeFileHandle OpenTap() => ToHandle(Run(TapDevice.Open));

    /// <summary>
    /// Runs something on a thread inside the namespace, and waits for it. A process that it starts runs inside: QEMU with
    /// <c>-netdev tap,ifname=tap0,script=no,downscript=no</c> takes the tap and has no other network.
    /// </summary>
    public T Run<T>(Func<T> inside)
    {
        ArgumentNullException.ThrowIfNull(inside);
        return Exists ? _namespace.Run(inside) : throw new ChannelException(ChannelError.EndpointMissing, ErrorClass.Retry,
            $"the link-local network of '{Name}' is not set up; run 'channelctl tap up {Name}', or call SetUp");
    }

    /// <summary>A TCP socket that listens inside, for a server outside.</summary>
    /// <param name="address">One of the host's addresses; the IPv6 one may lack its scope.</param>
    /// <param name="port">1 to 65535.</param>
    public SafeFileHandle Listen(IPAddress address, int port) => ToHandle(ListenFd(address, port, $"{Name} {address}:{port}"));

    internal SafeFd ListenFd(IPAddress address, int port, string uri) => Run(() =>
    {
        var scoped = address.IsIPv6LinkLocal && address.ScopeId == 0 ? new IPAddress(address.GetAddressBytes(), TapDevice.Index()) : address;
        // A kernel worker makes a new IPv6 address usable some time after the call that gave it, even without duplicate detection.
        return new TcpAddress(scoped, port).Listen(uri, beforeAddressIsReady: true);
    });

    internal static SafeFileHandle ToHandle(SafeFd fd)
    {
        var handle = new SafeFileHandle(fd.DangerousGetHandle(), ownsHandle: true);
        fd.SetHandleAsInvalid();
        return handle;
    }
}

using ChannelSdk.GuestAgent.Configuration;
using ChannelSdk.Linux.Files;

namespace ChannelSdk.GuestAgent.Xen;

/// <summary>Finds that the agent runs in a domain of Xen.</summary>
internal static class XenGuest
{
    /// <summary>The agent serves, as a domain cannot write the host's part of xenstore.</summary>
    public const string Endpoint = "vchan-listen://0/org.channelsdk.agent.0";

    /// <summary>Whether this is a domain of Xen with a way to xenstore.</summary>
    public static bool IsHere => File.Exists("/dev/xen/xenbus") && SmallFile.Read("/sys/hypervisor/type").Trim() == "xen";

    /// <summary>The configuration with the way to the host that this guest has, where it says auto.</summary>
    /// <param name="config">What was read.</param>
    /// <param name="isXen">Whether this is a domain of Xen.</param>
    /// <param name="hasPorts">Whether there are virtio ports; a domain may have QEMU's devices too.</param>
    public static AgentConfig Resolve(AgentConfig config, Func<bool> isXen, Func<bool> hasPorts) => config.Endpoint != AgentConfig.AutoEndpoint ? config
        : config with { Endpoint = isXen() && !hasPorts() ? Endpoint : AgentConfig.VirtioEndpoint };

    /// <summary>As <see cref="Resolve(AgentConfig, Func{bool}, Func{bool})"/>, for the guest that this process runs in.</summary>
    public static AgentConfig Resolve(AgentConfig config) => Resolve(config, static () => IsHere, HasPorts);

    private static bool HasPorts()
    {
        const string folder = "/sys/class/virtio-ports";
        return Directory.Exists(folder) && Directory.GetFileSystemEntries(folder).Length > 0;
    }
}

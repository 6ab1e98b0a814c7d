using ChannelSdk.GuestAgent.Exec;
using ChannelSdk.GuestAgent.Policy;

namespace ChannelSdk.GuestAgent.Qga;

/// <summary>
/// What belongs to one client: its open files and its programs. A client of the virtio port is the host, however often it
/// connects; a client of a Unix socket is a connection.
/// </summary>
internal sealed class QgaClientSession(AgentPolicy policy, ServiceGate gate, ExecService exec, TimeProvider time) : IDisposable
{
    /// <summary>Its files.</summary>
    public QgaOpenFiles Files { get; } = new(policy, gate, time);

    /// <summary>Its programs.</summary>
    public QgaExec Programs { get; } = new(exec);

    /// <summary>Closes its files. Programs go on; their results are lost.</summary>
    public void Dispose()
    {
        Files.Dispose();
        Programs.Dispose();
    }
}

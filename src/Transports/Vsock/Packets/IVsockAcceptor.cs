namespace ChannelSdk.Transports.Vsock.Packets;

/// <summary>Decides over connections that the guest asks for on one port of the host.</summary>
internal interface IVsockAcceptor
{
    /// <summary>The user of the new connection, or null to refuse it. Called under the router owner's lock.</summary>
    IVsockUser? Accept(VsockConnection connection);
}

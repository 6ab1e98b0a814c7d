namespace ChannelSdk.Transports.Tests.Hostile;

/// <summary>A guest, monitor or process that does one kind of harm. It stands until it is disposed of.</summary>
internal interface IHostilePeer : IDisposable
{
    /// <summary>One round of the attack; may be called again and again. Returns while the attack stands.</summary>
    void Attack();
}

using ChannelSdk.Protocol.Errors;
using ChannelSdk.Protocol.Links;

namespace ChannelSdk.Protocol.Seam;

/// <summary>What a supervisor tells its worker besides calls.</summary>
public interface ISeamControl
{
    /// <summary>What heartbeats say from now on.</summary>
    void SetState(StateWord state, DateTimeOffset? until, ushort detail);

    /// <summary>The present link is to be dropped.</summary>
    void Cut(ChannelError code, string text);

    /// <summary>The session is to be ended for good.</summary>
    void Close();
}

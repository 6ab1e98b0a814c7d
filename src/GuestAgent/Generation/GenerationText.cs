using System.Buffers;

namespace ChannelSdk.GuestAgent.Generation;

/// <summary>A generation as text: 32 hexadecimal digits.</summary>
internal static class GenerationText
{
    /// <summary>Its bytes; null if the text is none.</summary>
    public static byte[]? Parse(string text)
    {
        var bytes = new byte[GenerationLayout.GenerationBytes];
        return text.Length == 2 * bytes.Length && Convert.FromHexString(text, bytes, out _, out _) == OperationStatus.Done ? bytes : null;
    }
}

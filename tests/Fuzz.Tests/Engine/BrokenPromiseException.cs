namespace ChannelSdk.Fuzz.Tests.Engine;

/// <summary>An input has made the code break what it promises.</summary>
internal sealed class BrokenPromiseException(string what) : Exception(what)
{
    /// <summary>Checks a promise.</summary>
    /// <param name="isKept">Whether it is kept.</param>
    /// <param name="what">What is wrong if it is not.</param>
    internal static void ThrowUnless(bool isKept, string what)
    {
        if (!isKept)
        {
            throw new BrokenPromiseException(what);
        }
    }
}

export default function Home() {
  return <h1>The site</h1>;
}
